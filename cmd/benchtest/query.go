package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"google.golang.org/protobuf/proto"
)

// quantile returns the q-th quantile of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return quantile(all, 0.5)
}

// runQuery asks every question cold, then warm, in turns with DuckDB.
func runQuery(ctx context.Context, s *suite) error {
	if err := s.fill(ctx); err != nil {
		return err
	}
	if !dropCaches() {
		fmt.Fprintln(s.out, "  the page cache stays: dropping it needs root; cold figures are of a restart alone")
	}
	srv, err := s.server(ctx, s.full)
	if err != nil {
		return err
	}
	defer srv.Kill()
	qs := questions(s.w)
	a := newAsker(srv.URL())
	for i := range qs {
		ans, err := a.ask(ctx, &qs[i])
		if err != nil {
			return err
		}
		s.putTime("query/"+qs[i].name+"/cold", ans.took)
	}
	db, err := openDuck(s.full)
	if err != nil {
		return err
	}
	defer db.close()
	for i := range qs {
		if err := s.measure(ctx, a, db, &qs[i]); err != nil {
			return err
		}
	}
	peak, err := memoryOf(srv.PID(), "VmHWM")
	if err != nil {
		return err
	}
	s.put("query/peak_memory", peak, megabytes)
	return srv.Stop()
}

// measure asks one question in turns with DuckDB, each time compressed, as clients
// have it, and plain, which is what is held against DuckDB: it compresses nothing.
func (s *suite) measure(ctx context.Context, a *asker, db *duck, q *question) error {
	var ours, plain, theirs, totals []time.Duration
	rollup := bareQuestion{sql: bareTotals}
	for round := range s.rounds + 1 {
		ans, err := a.ask(ctx, q)
		if err != nil {
			return err
		}
		a.plain = true
		uncompressed, err := a.ask(ctx, q)
		a.plain = false
		if err != nil {
			return err
		}
		var bare time.Duration
		if q.bare != nil {
			var total int64
			if bare, total, err = db.ask(ctx, q.bare); err != nil {
				return err
			}
			if round == 0 {
				if err := checkTotal(q, &uncompressed, total); err != nil {
					return err
				}
			}
		}
		if isSums(q) {
			rollup.typ, rollup.service, rollup.span = q.bare.typ, q.bare.service, q.bare.span
			took, _, err := db.ask(ctx, &rollup)
			if err != nil {
				return err
			}
			totals = append(totals, took)
		}
		if round > 0 { // the first one warms
			ours, plain, theirs = append(ours, ans.took), append(plain, uncompressed.took), append(theirs, bare)
		}
	}
	s.putTime("query/"+q.name+"/warm", median(ours))
	s.putTime("query/"+q.name+"/warm_p95", quantile(ours, 0.95))
	s.putTime("query/"+q.name+"/warm_plain", median(plain))
	if q.bare != nil {
		bare := median(theirs)
		s.putTime("duckdb/"+q.name, bare)
		s.put("query/"+q.name+"/of_duckdb", float64(median(plain))/float64(bare), ratio)
	}
	if len(totals) > 0 {
		s.putTime("duckdb/"+q.name+"/totals", median(totals[1:]))
	}
	return nil
}

// isSums reports whether the question is one that totals of whole blocks may answer.
func isSums(q *question) bool {
	return q.bare != nil && q.bare.sql == bareSums && q.bare.next == nil
}

// checkTotal compares a flame graph's total with DuckDB's.
func checkTotal(q *question, ans *answer, want int64) error {
	if q.method != "SelectMergeStacktraces" {
		return nil
	}
	body, err := ans.plain()
	if err != nil {
		return err
	}
	var res querierv1.SelectMergeStacktracesResponse
	if err := proto.Unmarshal(body, &res); err != nil {
		return fmt.Errorf("%s: %w", q.name, err)
	}
	if got := res.GetFlamegraph().GetTotal(); got != want {
		return fmt.Errorf("%s: the total is %d, that of DuckDB %d", q.name, got, want)
	}
	return nil
}

// plain returns the body as it was before it was compressed.
func (a *answer) plain() ([]byte, error) {
	if !a.zipped {
		return a.body, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
