package state

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The names of what Consistent finds. Programs rely on them.
const (
	CheckTenants    = "index.tenants"    // they are sorted and have the names of tenants
	CheckHours      = "index.hours"      // they are sorted, and each has a part
	CheckPart       = "index.part"       // it is valid and in the right place
	CheckObject     = "index.object"     // it is once in an hour, and of one level; a block is one part
	CheckEpoch      = "index.epoch"      // it is of a command that was applied
	CheckTotals     = "index.totals"     // they are what the parts sum up to
	CheckTombstones = "index.tombstones" // their objects are dead, each once, and died by a command that was applied
	CheckJobInputs  = "index.job_inputs" // they are live, and each in one job
	CheckJob        = "index.job"        // its id is its own, its numbers are possible
)

// Consistent checks that the view does not contradict itself: what every command
// keeps, and whoever builds on the index takes for granted.
func (v *View) Consistent(r *warehouse.Report) {
	c := consistency{view: v, report: r, levels: map[warehouse.ObjectID]uint8{}, live: map[PartRef]bool{}}
	for i, t := range v.tenants {
		c.checks(2)
		if _, err := warehouse.ParseTenant(string(t.name)); err != nil {
			c.addf(CheckTenants, "%v", err)
		}
		if i > 0 && v.tenants[i-1].name >= t.name {
			c.addf(CheckTenants, "tenant %s is not behind %s", t.name, v.tenants[i-1].name)
		}
		c.tenant(t)
	}
	c.totals.Objects = len(c.levels)
	c.checks(1)
	if c.totals != v.totals {
		c.addf(CheckTotals, "%d parts, %d objects, %d bytes are counted; there are %d, %d and %d",
			v.totals.Parts, v.totals.Objects, v.totals.Bytes, c.totals.Parts, c.totals.Objects, c.totals.Bytes)
	}
	c.tombstones()
	c.jobs()
}

// consistency is one run of Consistent.
type consistency struct {
	view   *View
	report *warehouse.Report
	totals Totals
	levels map[warehouse.ObjectID]uint8 // of live objects
	live   map[PartRef]bool
}

func (c *consistency) checks(n int64) { c.report.Checks += n }

func (c *consistency) addf(name, format string, args ...any) {
	c.report.Add(warehouse.Finding{Check: name, Object: "index", Row: warehouse.NoRow, Text: fmt.Sprintf(format, args...)})
}

func (c *consistency) tenant(t *tenant) {
	c.epoch(t, t.horizonHour, "", t.horizonEpoch)
	for i, h := range t.hours {
		c.checks(2)
		if i > 0 && t.hours[i-1].hour >= h.hour {
			c.addf(CheckHours, "hour %s of tenant %s is not behind %s", h.hour, t.name, t.hours[i-1].hour)
		}
		if len(h.parts) == 0 {
			c.addf(CheckHours, "hour %s of tenant %s has no parts", h.hour, t.name)
		}
		seen := map[warehouse.ObjectID]bool{}
		for _, p := range h.parts {
			c.part(t, h, p)
			if seen[p.Object] {
				c.addf(CheckObject, "object %s is twice in hour %s of tenant %s", p.Object, h.hour, t.name)
			}
			seen[p.Object] = true
		}
		for _, e := range h.epochs {
			c.epoch(t, h.hour, e.service, e.value)
		}
	}
}

func (c *consistency) part(t *tenant, h *hour, p *warehouse.Part) {
	c.checks(3)
	c.report.Rows++
	if err := p.Validate(); err != nil {
		c.addf(CheckPart, "%v", err)
	}
	if p.Tenant != t.name || p.Hour != h.hour {
		c.addf(CheckPart, "object %s is of tenant %s and hour %s, and stands at %s, %s", p.Object, p.Tenant, p.Hour, t.name, h.hour)
	}
	switch level, ok := c.levels[p.Object]; {
	case ok && level != p.Level:
		c.addf(CheckObject, "object %s is of level %d and of level %d", p.Object, level, p.Level)
	case ok && p.Level != warehouse.LevelSegment:
		c.addf(CheckObject, "object %s is a block, and has several parts", p.Object)
	}
	c.levels[p.Object] = p.Level
	c.live[PartRef{p.Object, t.name, h.hour}] = true
	c.totals.Parts++
	c.totals.Bytes += p.SizeBytes()
}

func (c *consistency) epoch(t *tenant, at warehouse.Hour, service string, value uint64) {
	c.checks(1)
	if value > c.view.index {
		c.addf(CheckEpoch, "epoch of service %q at %s, tenant %s, is %d; the last command was %d", service, at, t.name, value, c.view.index)
	}
}

func (c *consistency) tombstones() {
	seen := map[warehouse.ObjectID]bool{}
	for _, t := range c.view.tombstones {
		c.checks(2)
		id := t.Part.Object
		if _, live := c.levels[id]; live || seen[id] {
			c.addf(CheckTombstones, "object %s has a tombstone, and is live or has another", id)
		}
		seen[id] = true
		if t.Index > c.view.index {
			c.addf(CheckTombstones, "object %s died by command %d; the last one was %d", id, t.Index, c.view.index)
		}
	}
}

func (c *consistency) jobs() {
	seen, claimed := map[warehouse.ObjectID]bool{}, map[PartRef]warehouse.ObjectID{}
	for _, j := range c.view.jobs {
		c.checks(2)
		if seen[j.ID] || j.Attempts < 0 || j.Failures < 0 || j.Token > c.view.index || j.Token != 0 && j.SetAside {
			c.addf(CheckJob, "job %s is there twice, or has impossible numbers: token %d, %d attempts, %d failures", j.ID, j.Token, j.Attempts, j.Failures)
		}
		seen[j.ID] = true
		if len(j.Inputs) == 0 {
			c.addf(CheckJobInputs, "job %s has no inputs", j.ID)
		}
		for _, id := range j.Inputs {
			c.checks(2)
			ref := PartRef{id, j.Tenant, j.Hour}
			if !c.live[ref] {
				c.addf(CheckJobInputs, "input %s of job %s is not live at %s, %s", id, j.ID, j.Tenant, j.Hour)
			}
			if other, ok := claimed[ref]; ok {
				c.addf(CheckJobInputs, "input %s is in jobs %s and %s", id, other, j.ID)
			}
			claimed[ref] = j.ID
		}
	}
}
