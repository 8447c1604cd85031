package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

type blockCheckCmd struct {
	storeFlags
	filterFlags
	All    bool     `name:"all" option:"" help:"Check every block, and that every id in a sample is defined in a live object of its dataset partition."`
	JSON   bool     `name:"json" option:"" help:"Print one JSON object a block, each on a line."`
	Blocks []string `arg:"" optional:"" name:"block" help:"Ids of blocks, or their folders."`
}

// checkView is the JSON of the check of one object, or of all definitions.
type checkView struct {
	Object string `json:"object"`
	reportView
}

// checkBlocks verifies blocks one after another and prints a line for each, and
// below it what is wrong.
func (p program) checkBlocks(ctx context.Context, cmd *blockCheckCmd) int {
	if err := cmd.validate(); err != nil {
		return p.fail(exitUsage, err)
	}
	if cmd.All == (len(cmd.Blocks) > 0) {
		return p.fail(exitUsage, fmt.Errorf("name blocks to check, or give --all"))
	}
	c := newObjectChecker(p, "block", cmd.JSON)
	var err error
	if cmd.All {
		err = c.allBlocks(ctx, cmd)
	} else {
		for _, arg := range cmd.Blocks {
			b, findErr := findBlock(ctx, &cmd.storeFlags, arg)
			if findErr != nil {
				c.unreadable(arg, findErr)
				continue
			}
			if err = c.block(ctx, b); err != nil {
				break
			}
		}
	}
	return c.end(ctx, err)
}

// allBlocks checks the blocks of a bucket and then the definitions of everything
// that is live.
func (c *objectChecker) allBlocks(ctx context.Context, cmd *blockCheckCmd) error {
	s, err := cmd.open()
	if err != nil {
		return err
	}
	if err := eachBlock(ctx, s.bucket, block.BlockPrefix, func(b *storedBlock) error {
		if b.part != nil && !cmd.part(b.part) {
			return nil
		}
		return c.block(ctx, b)
	}); err != nil {
		return err
	}
	return c.definitions(ctx, s, &cmd.filterFlags)
}

func (c *objectChecker) block(ctx context.Context, b *storedBlock) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var r warehouse.Report
	p, err := block.CheckBlock(ctx, b.bucket, b.dir, b.entries, &r)
	if err != nil {
		return err
	}
	if p != nil && r.Failed() && b.isGone(ctx) {
		c.gone(b.dir)
		return nil
	}
	text := fmt.Sprintf("%s, %s", plural(len(b.entries), "file"), bytesText(b.bytes))
	if p != nil {
		text = fmt.Sprintf("%s, %s, %s", plural(len(p.Sections), "table"), plural(r.Rows, "row"), bytesText(b.bytes))
	}
	c.result(b.dir, text, b.bytes, &r)
	return nil
}

// objectChecker prints the verdicts on objects, and how far it is.
type objectChecker struct {
	program
	noun string
	json bool
	now  func() time.Time

	start, last                            time.Time
	nChecked, nDamaged, nUnreadable, nGone int
	bytes, checks, rows                    int64
}

func newObjectChecker(p program, noun string, json bool) *objectChecker {
	c := &objectChecker{program: p, noun: noun, json: json, now: time.Now}
	c.start = c.now()
	c.last = c.start
	return c
}

// result prints the verdict on an object that was checked.
func (c *objectChecker) result(object, text string, bytes int64, r *warehouse.Report) {
	c.nChecked++
	c.bytes += bytes
	c.note(r)
	verdict := "ok"
	if r.Failed() {
		c.nDamaged++
		verdict = "damaged"
		text = plural(r.Total(), "finding") + "; " + text
	}
	if c.json {
		_ = printJSON(c.stdout, checkView{object, newReportView(r)}) // what could be done if standard output is gone?
	} else {
		fmt.Fprintf(c.stdout, "%s %s: %s, %s%s\n", verdict, plainText(object), text, plural(r.Checks, "check"), skippedText(r))
		printFindings(c.stdout, r, false)
	}
	if now := c.now(); now.Sub(c.last) >= progressEvery {
		c.last = now
		fmt.Fprintf(c.stderr, "stackhouse: checked %s, %s; %d damaged\n", plural(c.nChecked, c.noun), bytesText(c.bytes), c.nDamaged)
	}
}

func (c *objectChecker) note(r *warehouse.Report) {
	c.checks += r.Checks
	c.rows += r.Rows
}

// skippedText says what could not be checked.
func skippedText(r *warehouse.Report) string {
	text := ""
	if n := r.Skipped[block.CheckStackID]; n > 0 {
		text += fmt.Sprintf("; %s not told by their frames", plural(n, "stacktrace id"))
	}
	if n := r.Skipped[block.CheckDefined]; n > 0 {
		text += fmt.Sprintf("; %s missing or damaged, and left out", plural(n, "table"))
	}
	return text
}

func (c *objectChecker) unreadable(object string, err error) {
	c.nUnreadable++
	if c.json {
		_ = printJSON(c.stdout, map[string]any{"object": object, "ok": false, "error": err.Error()})
		return
	}
	fmt.Fprintf(c.stdout, "unreadable %s: %s\n", plainText(object), err)
}

func (c *objectChecker) gone(object string) {
	c.nGone++
	if !c.json {
		fmt.Fprintf(c.stdout, "gone %s: removed since the check began\n", plainText(object))
	}
}

// end prints what was done, and returns the exit status.
func (c *objectChecker) end(ctx context.Context, err error) int {
	end := "checked"
	switch {
	case ctx.Err() != nil:
		end = "interrupted; checked"
	case err != nil:
		c.fail(exitError, err)
	}
	fmt.Fprintf(c.stderr, "stackhouse: %s %s, %s, in %s: %s, %s; %d damaged, %d unreadable\n", end, plural(c.nChecked, c.noun), bytesText(c.bytes),
		c.now().Sub(c.start).Round(time.Millisecond), plural(c.checks, "check"), plural(c.rows, "row"), c.nDamaged, c.nUnreadable)
	if err != nil || c.nDamaged+c.nUnreadable > 0 || ctx.Err() != nil {
		return exitError
	}
	return exitOK
}
