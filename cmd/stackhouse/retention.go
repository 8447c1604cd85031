package main

import (
	"context"
	"fmt"
	"text/tabwriter"
)

// retentionCmd says how long a running server keeps profiles.
type retentionCmd struct {
	Get retentionGetCmd `cmd:"" help:"Show how long a tenant's profiles are kept."`
	Set retentionSetCmd `cmd:"" help:"Set how long a tenant's profiles are kept, or those of a service, a type, or both."`
	Rm  retentionRmCmd  `cmd:"" help:"Take back what was set: the next wider rule counts."`
}

type retentionGetCmd struct {
	Server serverFlags `embed:""`
}

type retentionSetCmd struct {
	Server serverFlags   `embed:""`
	About  retentionRule `embed:""`
	Keep   string        `arg:"" help:"A time such as 31d, 36h or 90m; 0 keeps them for ever."`
}

type retentionRmCmd struct {
	Server serverFlags   `embed:""`
	About  retentionRule `embed:""`
}

// retentionRule is what a rule is about; without either it is about the tenant.
type retentionRule struct {
	Service string `name:"service" option:"" placeholder:"NAME" help:"Of this service only."`
	Type    string `name:"type" option:"" placeholder:"TYPE" help:"Of this profile type only, as in process_cpu:cpu:nanoseconds:cpu:nanoseconds."`
}

func (r retentionRule) body(keep string) map[string]string {
	out := map[string]string{"keep": keep}
	if r.Service != "" {
		out["service"] = r.Service
	}
	if r.Type != "" {
		out["type"] = r.Type
	}
	return out
}

// retention sends a change, if there is one, and prints what counts from now on.
func (p program) retention(ctx context.Context, s *serverFlags, change map[string]string) int {
	const path = "/api/v1/admin/retention"
	var a struct {
		Default, Tenant string
		Rules           []struct{ Service, Type, Keep string }
	}
	var err error
	if change != nil {
		err = s.call(ctx, "PUT", path, change, &a)
	} else {
		err = s.call(ctx, "GET", path, nil, &a)
	}
	if err != nil {
		return p.fail(exitError, fmt.Errorf("retention: %w", err))
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "SERVICE\tTYPE\tKEPT\n")
	for _, r := range a.Rules {
		fmt.Fprintf(w, "%s\t%s\t%s\n", orAny(r.Service), orAny(r.Type), keptText(r.Keep))
	}
	if a.Tenant == "inherit" {
		fmt.Fprintf(w, "any other\tany other\t%s, as all tenants\n", keptText(a.Default))
	} else {
		fmt.Fprintf(w, "any other\tany other\t%s\n", keptText(a.Tenant))
	}
	if err := w.Flush(); err != nil {
		return p.fail(exitError, err)
	}
	return exitOK
}

func orAny(name string) string {
	if name == "" {
		return "any"
	}
	return plainText(name)
}

func keptText(keep string) string {
	if keep == "0" {
		return "for ever"
	}
	return keep
}
