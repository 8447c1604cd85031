package cache

import (
	"context"
	"errors"
	"io/fs"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// report says what the comparison of a section's bytes in the bucket has shown. Err
// is damage, or nil; what may be right the next time is not worth a word.
func (c *Sections) report(w wanted, err error) {
	if c.verdict == nil {
		return
	}
	var d *damage
	switch {
	case err == nil:
		c.verdict(w.part, w.key.table, nil)
	case errors.As(err, &d) && d.found != "":
		found := DamageOf(w.part, w.section, d.expected, d.found)
		c.verdict(w.part, w.key.table, found)
	}
}

// DamageOf describes damage of a part's section.
func DamageOf(p *warehouse.Part, s warehouse.Section, expected, found string) *warehouse.Damage {
	w := wanted{key: sectionKey{p.Tenant, p.Object, p.Hour, s.Table}, section: s, part: p}
	return &warehouse.Damage{
		Object: w.object(), What: s.Table.String() + " of " + string(p.Tenant) + " " + p.Hour.String(),
		Offset: s.Offset, Size: s.Size, Expected: expected, Found: found,
	}
}

// VerifyCopy compares the copy of a part's section with the index once more, if
// there is one that nobody writes or removes just now. A damaged one is fetched
// again by whoever wants it next; it returns true then. Other errors are those of
// ctx and of the disk.
func (c *Sections) VerifyCopy(ctx context.Context, p *warehouse.Part, t warehouse.Table) (damaged bool, err error) {
	w, err := want("verify", p, t)
	if err != nil {
		return false, err
	}
	f, _, wait, err := c.tryPin(w, false)
	if err != nil || f == nil || wait != nil {
		return false, err
	}
	defer c.unpin(f)
	if f.inPlace {
		return false, nil
	}
	_, err = c.verifyFile(ctx, f.path, w.section)
	switch {
	case isDamage(err):
		c.distrust(f, err)
		return true, nil
	case ctx.Err() != nil:
		return false, c.failed("verify", w, ctx.Err())
	case err == nil, errors.Is(err, fs.ErrNotExist): // who wants it will fetch it
		return false, nil
	}
	return false, c.failed("verify", w, err)
}

// Distrust makes the next one who wants a part's section compare it with the index
// again, although the file looks unchanged: a disk can lose bytes without a trace.
func (c *Sections) Distrust(p *warehouse.Part, t warehouse.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.mu.files[sectionKey{p.Tenant, p.Object, p.Hour, t}]; f != nil && f.inPlace {
		f.state = fileState{}
	}
}
