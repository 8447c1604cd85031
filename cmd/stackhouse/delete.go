package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// deleteCmd deletes profiles of a running server.
type deleteCmd struct {
	Server serverFlags `embed:""`

	Selector string `name:"selector" option:"" placeholder:"SELECTOR" help:"Which series, as in '{service_name=\"checkout\"}'; a profile type may stand in front."`
	From     string `name:"from" option:"" placeholder:"TIME" help:"Start of what is deleted, by the profiles' own time: RFC 3339, or milliseconds since 1970 (default: everything before --to)."`
	To       string `name:"to" option:"" placeholder:"TIME" help:"End of it, not included (default: everything from --from on)."`
	All      bool   `name:"all" option:"" help:"Delete all of the tenant's profiles."`
	DryRun   bool   `name:"dry-run" option:"" help:"Only say what would go."`
	Wait     bool   `name:"wait" option:"" help:"Wait until the last byte is gone from the bucket."`
}

// body is the request.
func (c *deleteCmd) body() map[string]any {
	out := map[string]any{}
	if c.Selector != "" {
		out["selector"] = c.Selector
	}
	for name, text := range map[string]string{"from": c.From, "to": c.To} {
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			out[name] = json.Number(text)
		} else if text != "" {
			out[name] = text
		}
	}
	if c.All {
		out["all"] = true
	}
	if c.DryRun {
		out["dry_run"] = true
	}
	return out
}

// deleted is the server's answer.
type deleted struct {
	ID                            string
	Selector, From, To            string
	Series, Profiles, Rows, Bytes int64
}

func (p program) delete(ctx context.Context, c *deleteCmd) int {
	if c.DryRun && c.Wait {
		return p.fail(exitUsage, fmt.Errorf("--wait: there is nothing to wait for with --dry-run"))
	}
	var a deleted
	if err := c.Server.call(ctx, "POST", "/api/v1/admin/delete", c.body(), &a); err != nil {
		return p.fail(exitError, fmt.Errorf("delete: %w", err))
	}
	what := fmt.Sprintf("%s of %s, %s, about %s", plural(a.Profiles, "profile"), countSeries(a.Series), plural(a.Rows, "sample"), bytesText(a.Bytes))
	switch {
	case c.DryRun:
		fmt.Fprintf(p.stdout, "would delete %s\n", what)
		return exitOK
	case a.ID == "":
		fmt.Fprintln(p.stdout, "nothing to delete: no profile is selected")
		return exitOK
	}
	fmt.Fprintf(p.stdout, "deleted %s\n%s\n", what, a.ID)
	if !c.Wait {
		return exitOK
	}
	if err := p.awaitGone(ctx, c, a.ID); err != nil {
		return p.fail(exitError, fmt.Errorf("wait for deletion %s, which goes on: %w", a.ID, err))
	}
	return exitOK
}

// countSeries is plural of a word that has none.
func countSeries(n int64) string { return strconv.FormatInt(n, 10) + " series" }

// progress is how far a deletion is.
type progress struct {
	State       string
	PartsLeft   int64  `json:"parts_left"`
	BytesLeft   int64  `json:"bytes_left"`
	BytesGoneAt string `json:"bytes_gone_at"`
}

// awaitGone prints how far a deletion is whenever that changes, until it is done.
func (p program) awaitGone(ctx context.Context, c *deleteCmd, id string) error {
	const every = 200 * time.Millisecond
	var last progress
	for {
		var all struct{ Deletions []progress }
		if err := c.Server.call(ctx, "GET", "/api/v1/admin/deletions?id="+url.QueryEscape(id), nil, &all); err != nil {
			return err
		}
		if len(all.Deletions) == 0 {
			return fmt.Errorf("the server does not know it")
		}
		now := all.Deletions[0]
		if now.BytesGoneAt != "" {
			fmt.Fprintf(p.stdout, "done: the bytes are gone since %s\n", now.BytesGoneAt)
			return nil
		}
		if now != last {
			fmt.Fprintf(p.stdout, "%s: %s and %s left\n", now.State, plural(now.PartsLeft, "part"), bytesText(now.BytesLeft))
			last = now
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}
