package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// RetentionRule says how long profiles of a service, of a type, or of both are kept.
type RetentionRule struct {
	Service string // empty: of every service
	Type    string // text form of the profile type; empty: of every type
	Keep    time.Duration
}

// compare orders rules by what they are about.
func (r RetentionRule) compare(o RetentionRule) int {
	return cmp.Or(strings.Compare(r.Service, o.Service), strings.Compare(r.Type, o.Type))
}

// MaxRetentionRules is how many rules a tenant may have.
const MaxRetentionRules = 1000

// SetRetentionRule sets a tenant's rule about a service, a type or both, or takes it
// back. Its answer is a bool: it was refused, because there are MaxRetentionRules.
type SetRetentionRule struct {
	Tenant warehouse.Tenant
	Rule   RetentionRule // Keep 0: for ever; InheritRetention: there is no such rule
}

// Kind returns KindSetRetentionRule.
func (SetRetentionRule) Kind() Kind { return KindSetRetentionRule }

func (c SetRetentionRule) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.String(string(c.Tenant))
	encodeRule(e, c.Rule)
	return e.Bytes()
}

func decodeSetRetentionRule(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := SetRetentionRule{Tenant: warehouse.Tenant(d.String()), Rule: decodeRule(d)}
	if d.Err() == nil && c.Rule.Keep < InheritRetention {
		d.Failf("retention is %s", c.Rule.Keep)
	}
	return c, d.Finish()
}

func (c SetRetentionRule) apply(s *State, _ moment) any {
	t := s.editTenant(c.Tenant)
	i, ok := slices.BinarySearchFunc(t.rules, c.Rule, RetentionRule.compare)
	rules := slices.Clone(t.rules) // views share it
	switch {
	case c.Rule.Keep == InheritRetention && ok:
		rules = slices.Delete(rules, i, i+1)
	case c.Rule.Keep == InheritRetention:
	case ok:
		rules[i] = c.Rule
	case len(rules) >= MaxRetentionRules:
		return true
	default:
		rules = slices.Insert(rules, i, c.Rule)
	}
	t.rules = rules
	return false
}

func encodeRule(e *warehouse.Encoder, r RetentionRule) {
	e.String(r.Service)
	e.String(r.Type)
	e.Varint(int64(r.Keep))
}

func decodeRule(d *warehouse.Decoder) RetentionRule {
	return RetentionRule{Service: d.String(), Type: d.String(), Keep: time.Duration(d.Varint())}
}

func encodeRules(e *warehouse.Encoder, rules []RetentionRule) {
	e.Uvarint(uint64(len(rules)))
	for _, r := range rules {
		encodeRule(e, r)
	}
}

func decodeRules(d *warehouse.Decoder) (rules []RetentionRule) {
	for i := range d.Count(3) {
		rules = append(rules, decodeRule(d))
		if i > 0 && rules[i-1].compare(rules[i]) >= 0 {
			d.Failf("retention of service %q, type %q is not in its place", rules[i].Service, rules[i].Type)
			return nil
		}
	}
	return rules
}

// RetentionRules returns a tenant's rules, by service, then type.
func (v *View) RetentionRules(t warehouse.Tenant) []RetentionRule {
	if tn := v.tenant(t); tn != nil {
		return tn.rules
	}
	return nil
}

// OwnRetention returns the retention that was set for the tenant itself, or
// InheritRetention.
func (v *View) OwnRetention(t warehouse.Tenant) time.Duration {
	if tn := v.tenant(t); tn != nil {
		return tn.retention
	}
	return InheritRetention
}

// RetentionOf returns how long profiles of a service and type are kept; 0 is for
// ever. The rule about both counts, else that about the service, else that about the
// type, else the tenant's retention.
func (v *View) RetentionOf(t warehouse.Tenant, service, typ string) time.Duration {
	if tn := v.tenant(t); tn != nil && len(tn.rules) > 0 {
		for _, about := range []RetentionRule{{Service: service, Type: typ}, {Service: service}, {Type: typ}} {
			if i, ok := slices.BinarySearchFunc(tn.rules, about, RetentionRule.compare); ok {
				return tn.rules[i].Keep
			}
		}
	}
	return v.Retention(t)
}
