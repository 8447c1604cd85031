package api

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// InheritRetention stands for a retention that is not set: the next wider one counts.
const InheritRetention time.Duration = -1

// RetentionRule says how long profiles of a service, of a type, or of both are kept;
// one about neither is the tenant's retention.
type RetentionRule struct {
	Service string
	Type    string
	Keep    time.Duration // 0: for ever; InheritRetention: there is no such rule
}

// Retention is all that says how long a tenant's profiles are kept.
type Retention struct {
	Default time.Duration // of all tenants; 0: for ever
	Tenant  time.Duration // of this one, or InheritRetention
	Rules   []RetentionRule
}

const inherit = "inherit"

// retentionBody is the answer of /api/v1/admin/retention.
type retentionBody struct {
	Default string     `json:"default"`
	Tenant  string     `json:"tenant"`
	Rules   []ruleBody `json:"rules"`
}

type ruleBody struct {
	Service string `json:"service,omitempty"`
	Type    string `json:"type,omitempty"`
	Keep    string `json:"keep"`
}

// retention answers how long the tenant's profiles are kept, after a change of it if
// the method is PUT.
func (s *Server) retention(x *exchange, r *http.Request, t warehouse.Tenant) error {
	if r.Method == http.MethodPut {
		rule, err := readRule(r)
		if err != nil {
			return err
		}
		if err := s.admin.SetRetention(r.Context(), t, rule); err != nil {
			return err
		}
	}
	all, err := s.admin.Retention(r.Context(), t)
	if err != nil {
		return err
	}
	body := retentionBody{Default: keepText(all.Default), Tenant: keepText(all.Tenant), Rules: []ruleBody{}}
	for _, rule := range all.Rules {
		body.Rules = append(body.Rules, ruleBody{rule.Service, rule.Type, keepText(rule.Keep)})
	}
	return writeJSON(x, body)
}

func readRule(r *http.Request) (out RetentionRule, err error) {
	var service, typ, keep optional[string]
	if err := readJSON(r, map[string]any{"service": &service, "type": &typ, "keep": &keep}); err != nil {
		return out, err
	}
	switch {
	case service.isSet && service.value == "":
		return out, warehouse.Errorf(warehouse.Invalid, "field service: it is empty")
	case typ.isSet && typ.value == "":
		return out, warehouse.Errorf(warehouse.Invalid, "field type: it is empty")
	case !keep.isSet:
		return out, warehouse.Errorf(warehouse.Invalid, "field keep is missing: want a time such as 31d, 36h or 90m, 0 for ever, or inherit")
	}
	if typ.isSet {
		if _, err := warehouse.ParseProfileType(typ.value); err != nil {
			return out, warehouse.Errorf(warehouse.Invalid, "field type: %w", err)
		}
	}
	out.Service, out.Type = service.value, typ.value
	if out.Keep, err = parseKeep(keep.value); err != nil {
		return out, warehouse.Errorf(warehouse.Invalid, "field keep: %w", err)
	}
	return out, nil
}

// parseKeep parses a time such as 31d, 36h, 0 or inherit.
func parseKeep(text string) (time.Duration, error) {
	bad := warehouse.Errorf(warehouse.Invalid, "%.64q is no time: want one such as 31d, 36h or 90m, 0 for ever, or inherit", text)
	if text == inherit {
		return InheritRetention, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > int64(math.MaxInt64/day) {
			return 0, bad
		}
		return time.Duration(n) * day, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// keepText is what parseKeep reads back.
func keepText(d time.Duration) string {
	switch {
	case d == InheritRetention:
		return inherit
	case d == 0:
		return "0"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}
