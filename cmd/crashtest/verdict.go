package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	"github.com/jackc/pgx/v5"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// found is what a way to read has of an id.
type found struct {
	Profiles int   // rows; 0 where a way does not tell
	Value    int64 // sum of the samples
}

// view is what a way to read has of a tenant, by id.
type view map[string]found

// verdict compares what is stored with what was sent.
func (h *harness) verdict(ctx context.Context) (*report, error) {
	r := &report{
		Seed: h.seed, Kills: h.kills, Failpoints: h.reached, Levels: map[string]int{},
		ReadyP50: percentile(h.ready, 0.5), ReadyP99: percentile(h.ready, 0.99),
	}
	for name := range h.unmet {
		if h.reached[name] == 0 {
			r.NotReached = append(r.NotReached, name)
		}
	}
	slices.Sort(r.NotReached)
	api, sql := map[string]view{}, map[string]view{}
	for _, tenant := range tenants {
		var err error
		if api[tenant], err = h.askAPI(ctx, tenant); err != nil {
			return nil, fmt.Errorf("ask the API: %w", err)
		}
		if sql[tenant], err = h.askSQL(ctx, tenant); err != nil {
			return nil, fmt.Errorf("ask in SQL: %w", err)
		}
	}
	if err := h.server.Stop(); err != nil {
		return nil, err
	}
	raw, err := h.readObjects(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	for _, tenant := range tenants {
		compare(r, tenant, "SQL and objects", sql[tenant], raw[tenant], true)
		compare(r, tenant, "API and objects", api[tenant], raw[tenant], false)
	}
	return r, h.classify(r, raw)
}

func compare(r *report, tenant, what string, a, b view, profiles bool) {
	for id := range maps.Keys(union(a, b)) {
		x, y := a[id], b[id]
		if x.Value != y.Value || profiles && x.Profiles != y.Profiles {
			r.Differ = append(r.Differ, fmt.Sprintf("%s: %s/%s: %v and %v", what, tenant, id, x, y))
		}
	}
}

func union(a, b view) view {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// classify reads the logs of the writers.
func (h *harness) classify(r *report, raw map[string]view) error {
	seen := map[string]map[string]bool{}
	for _, tenant := range tenants {
		seen[tenant] = map[string]bool{}
	}
	for n := range h.writers {
		acked := map[string]bool{}
		err := eachLine(filepath.Join(h.dir, fmt.Sprintf("acked-%d", n)), func(words []string) error {
			acked[words[0]] = true
			return nil
		})
		if err != nil {
			return err
		}
		err = eachLine(filepath.Join(h.dir, fmt.Sprintf("sent-%d", n)), func(words []string) error {
			tenant, id := words[0], words[1]
			want, err := strconv.ParseInt(words[2], 10, 64)
			if err != nil {
				return err
			}
			r.Sent++
			if acked[id] {
				r.Acked++
			}
			seen[tenant][id] = true
			got := raw[tenant][id]
			name := fmt.Sprintf("%s/%s: %d profiles, value %d of %d", tenant, id, got.Profiles, got.Value, want)
			switch {
			case got.Profiles > 1 || got.Value > want:
				r.Double = append(r.Double, name)
			case got.Profiles == 1 && got.Value == want, got.Profiles == 0 && !acked[id]:
				r.Right++
			default:
				r.Lost = append(r.Lost, name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for tenant, v := range raw {
		for id := range v {
			if !seen[tenant][id] {
				r.Phantom = append(r.Phantom, tenant+"/"+id)
			}
		}
	}
	return nil
}

func eachLine(path string, fn func(words []string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if err := fn(strings.Fields(s.Text())); err != nil {
			return err
		}
	}
	return s.Err()
}

// askAPI asks for a series of each id.
func (h *harness) askAPI(ctx context.Context, tenant string) (view, error) {
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, "http://"+h.server.HTTP)
	now := time.Now()
	req := connect.NewRequest(&querierv1.SelectSeriesRequest{
		ProfileTypeID: profileType, LabelSelector: `{service_name="` + service + `"}`, GroupBy: []string{"id"},
		Start: now.Add(-24 * time.Hour).UnixMilli(), End: now.Add(time.Hour).UnixMilli(), Step: 25 * 3600,
	})
	req.Header().Set("X-Scope-OrgID", tenant)
	res, err := client.SelectSeries(ctx, req)
	if err != nil {
		return nil, err
	}
	v := view{}
	for _, s := range res.Msg.Series {
		for _, p := range s.Points {
			f := v[s.Labels[0].Value]
			f.Value += int64(p.Value)
			v[s.Labels[0].Value] = f
		}
	}
	return v, nil
}

func (h *harness) askSQL(ctx context.Context, tenant string) (view, error) {
	host, port, err := net.SplitHostPort(h.server.PG)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%s user=crash dbname=%s sslmode=disable", host, port, tenant))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `
		SELECT p.id, p.n, s.v
		FROM (SELECT labels['id'] AS id, count(*) AS n FROM labeled_profiles GROUP BY 1) p
		JOIN (SELECT labels['id'] AS id, sum(value)::BIGINT AS v FROM labeled_samples GROUP BY 1) s USING (id)`)
	if err != nil {
		return nil, err
	}
	v := view{}
	var id string
	var f found
	_, err = pgx.ForEachRow(rows, []any{&id, &f.Profiles, &f.Value}, func() error { v[id] = f; return nil })
	return v, err
}

// readObjects reads what a stopped server's index says is live, without its query
// engines.
func (h *harness) readObjects(ctx context.Context, r *report) (map[string]view, error) {
	bucket, err := object.NewFilesystem(filepath.Join(h.server.Dir, "bucket"))
	if err != nil {
		return nil, err
	}
	sections, err := cache.OpenSections(cache.SectionsOptions{Dir: filepath.Join(h.dir, "cache"), MaxBytes: 1 << 30, Bucket: bucket})
	if err != nil {
		return nil, err
	}
	defer func() { _ = sections.Close() }()
	meta, err := metastore.Open(metastore.Options{Dir: filepath.Join(h.server.Dir, "metastore"), Retention: 31 * 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	mctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- meta.Run(mctx) }()
	defer func() {
		stop()
		<-ended
	}()
	if err := meta.WaitReady(ctx); err != nil {
		return nil, err
	}
	snap, err := meta.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	out := map[string]view{}
	for _, tenant := range tenants {
		out[tenant] = view{}
		parts := snap.Parts(warehouse.Tenant(tenant), warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime})
		ids := map[warehouse.SeriesID]string{}
		for _, p := range parts {
			r.Levels[fmt.Sprint(p.Level)]++
			data, err := sections.Read(ctx, p, warehouse.TableSeries)
			if warehouse.KindOf(err) == warehouse.NotFound {
				continue // defined elsewhere
			}
			if err == nil {
				err = block.ReadSeries(data, func(s warehouse.Series) error { ids[s.ID] = s.Labels.Value("id"); return nil })
			}
			if err != nil {
				return nil, err
			}
		}
		for _, p := range parts {
			if err := readPart(ctx, sections, p, ids, out[tenant]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func readPart(ctx context.Context, sections *cache.Sections, p *warehouse.Part, ids map[warehouse.SeriesID]string, v view) error {
	data, err := sections.Read(ctx, p, warehouse.TableProfiles)
	if err != nil {
		return err
	}
	err = block.ReadProfiles(data, func(row block.ProfileRow) error {
		f := v[ids[row.Series]]
		f.Profiles++
		v[ids[row.Series]] = f
		return nil
	})
	if err != nil {
		return err
	}
	if data, err = sections.Read(ctx, p, warehouse.TableSamples); err != nil {
		return err
	}
	return block.ReadSamples(data, func(row block.SampleRow) error {
		f := v[ids[row.Series]]
		f.Value += row.Value
		v[ids[row.Series]] = f
		return nil
	})
}
