package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/stackhouse-db/stackhouse/api"
)

// jobsCmd holds the commands about compaction jobs. They ask a running server.
type jobsCmd struct {
	Ls      jobsLsCmd      `cmd:"" help:"List the merges that wait, run or were set aside because they failed too often, and why."`
	Release jobsReleaseCmd `cmd:"" help:"Let what was set aside be merged again."`
}

type jobsLsCmd struct {
	serverFlag
	JSON bool `name:"json" option:"" help:"Print the jobs as JSON."`
}

type jobsReleaseCmd struct {
	serverFlag
	All bool     `name:"all" option:"" help:"All that were set aside."`
	IDs []string `arg:"" optional:"" name:"id" help:"Jobs that were set aside."`
}

// listJobs prints the jobs of all tenants.
func (p program) listJobs(ctx context.Context, c *jobsLsCmd) int {
	res, err := c.ask(ctx, "/api/v1/admin/jobs", nil)
	if err != nil {
		return p.fail(exitError, err)
	}
	defer res.Body.Close()
	var got api.AdminJobs
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return p.fail(exitError, fmt.Errorf("read the answer: %w", err))
	}
	if c.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(got.Jobs); err != nil {
			return p.fail(exitError, err)
		}
		return exitOK
	}
	if len(got.Jobs) == 0 {
		fmt.Fprintln(p.stderr, "stackhouse: no jobs: nothing waits, runs or was set aside")
		return exitOK
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tTENANT\tHOUR\tLEVEL\tINPUTS\tSIZE\tAGE\tFAILURES\tREASON")
	for i := range got.Jobs {
		j := &got.Jobs[i]
		reason := "-"
		if j.Reason != "" {
			reason = j.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s\n", j.ID, j.State, plainText(j.Tenant), j.Hour, j.Level, j.Inputs,
			bytesText(j.Bytes), time.Since(j.Since).Round(time.Second), j.Failures, oneLine(reason))
	}
	if err := w.Flush(); err != nil {
		return p.fail(exitError, err)
	}
	return exitOK
}

// releaseJobs lets jobs be planned anew.
func (p program) releaseJobs(ctx context.Context, c *jobsReleaseCmd) int {
	if c.All == (len(c.IDs) > 0) {
		return p.fail(exitUsage, fmt.Errorf("jobs release: name jobs by their ids, or say --all"))
	}
	res, err := c.ask(ctx, "/api/v1/admin/jobs/release", api.ReleaseJobsRequest{Jobs: c.IDs, All: c.All})
	if err != nil {
		return p.fail(exitError, err)
	}
	defer res.Body.Close()
	var got api.ReleaseJobsAnswer
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return p.fail(exitError, fmt.Errorf("read the answer: %w", err))
	}
	fmt.Fprintf(p.stdout, "released %s\n", plural(got.Released, "job"))
	if got.Released < len(c.IDs) {
		return p.fail(exitError, fmt.Errorf("jobs release: %d of %s were not set aside, or are none", len(c.IDs)-got.Released, plural(len(c.IDs), "id")))
	}
	return exitOK
}
