package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// delete deletes something, or only asks what would go; both say how much.
func (s *sequence) delete(ctx context.Context, o *opened) error {
	for range s.rng.IntN(3) {
		c, body := s.drawDeletion()
		want := s.wantDeleted(c)
		body["dry_run"] = s.rng.IntN(4) == 0
		got, err := postDelete(ctx, o.url, s.tenant, body)
		if err != nil {
			return err
		}
		if got.Series != want.Series || got.Profiles != want.Profiles || got.Rows != want.Rows {
			return fmt.Errorf("delete %v: want %+v, got %+v", body, want, got)
		}
		if body["dry_run"] == true {
			continue
		}
		s.deletions++
		for key, p := range s.stored {
			if c(p) {
				delete(s.stored, key)
				s.gone[key] = true
			}
		}
	}
	return nil
}

// drawDeletion draws a service, a selector, a time or several of them.
func (s *sequence) drawDeletion() (picks func(*sqltest.Profile) bool, body map[string]any) {
	body = map[string]any{}
	service, pod, typ := "", "", ""
	switch s.rng.IntN(5) {
	case 0:
		service = pick(s.rng, s.services...)
		body["service"] = service
	case 1:
		service = pick(s.rng, s.services...)
		body["selector"] = fmt.Sprintf("{service_name=%q}", service)
	case 2:
		pod = pick(s.rng, s.pods...)
		body["selector"] = fmt.Sprintf("{pod=%q}", pod)
	case 3:
		typ, service = pick(s.rng, s.types...).String(), pick(s.rng, s.services...)
		body["selector"] = fmt.Sprintf("%s{service_name=%q}", typ, service)
	}
	from, to := int64(-1<<40), int64(1<<40)
	if len(body) == 0 || s.rng.IntN(2) == 0 {
		hour := pick(s.rng, s.hours...)
		from = pick(s.rng, hour, hour+s.rng.Int64N(3600))
		to = pick(s.rng, from+1, from+3600, from+s.rng.Int64N(7200)+1)
		body["from"], body["to"] = sqltest.At(from).Format(time.RFC3339), sqltest.At(to).UnixMilli()
	}
	return func(p *sqltest.Profile) bool {
		return p.Second >= from && p.Second < to && (service == "" || p.Labels[warehouse.LabelService] == service) &&
			(pod == "" || p.Labels["pod"] == pod) && (typ == "" || p.Type.String() == typ)
	}, body
}

// wantDeleted counts what a choice picks.
func (s *sequence) wantDeleted(picks func(*sqltest.Profile) bool) (want deleted) {
	series := map[string]bool{}
	s.each(picks, func(p *sqltest.Profile) {
		series[fmt.Sprint(p.Type, p.Labels)] = true
		want.Profiles++
		rows := map[string]bool{}
		for _, sample := range p.Samples {
			if sample.Value != 0 {
				rows[sample.Span+" "+strings.Join(sample.Stack, ";")] = true
			}
		}
		want.Rows += int64(len(rows))
	})
	want.Series = int64(len(series))
	return want
}

func postDelete(ctx context.Context, url, tenant string, body map[string]any) (out deleted, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/admin/delete", bytes.NewReader(data))
	if err != nil {
		return out, err
	}
	req.Header.Set("X-Scope-OrgID", tenant)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	data, err = io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("delete: %s: %s", res.Status, data)
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(data, &out)
}

// awaitGone waits until all deletions are done, and looks into every object that is
// left for definitions that no profile has any more.
func (m *morph) awaitGone(t *testing.T) {
	t.Helper()
	var left string
	defer func() {
		if t.Failed() {
			t.Log(left)
		}
	}()
	require.Eventually(t, func() bool {
		snap, err := m.node.meta.Snapshot(t.Context())
		if err != nil {
			return false
		}
		defer snap.Release()
		for _, s := range m.sequences {
			for _, d := range snap.DeletionInfos(warehouse.Tenant(s.tenant)) {
				if d.GoneAt == 0 {
					left = describeLeft(snap, d)
					return false
				}
			}
		}
		return len(snap.Jobs()) == 0 && len(snap.Tombstones()) == 0 && !m.node.meta.HasJobs()
	}, 60*time.Second, 20*time.Millisecond, "%s: deletions do not end", m)
	m.history = append(m.history, "deletions are done")
	known := map[string]bool{}
	for _, s := range m.sequences {
		for _, p := range s.stored {
			hour := warehouse.MicrosOf(sqltest.At(p.Second)).Hour()
			known[fmt.Sprint(s.tenant, hour, " series ", p.Type, seriesText(p.Labels))] = true
			for _, sample := range p.Samples {
				if sample.Value != 0 {
					known[fmt.Sprint(s.tenant, hour, " stack ", strings.Join(sample.Stack, ";"))] = true
				}
			}
		}
	}
	for _, name := range definedIn(t, filepath.Join(m.dir, bucketDir)) {
		require.True(t, known[name], "%s: %s is still defined", m, name)
	}
}

// describeLeft says what a deletion waits for.
func describeLeft(snap *metastore.Snapshot, d metastore.DeletionInfo) string {
	out := fmt.Sprintf("deletion %s of %s, index %d, %v: %d parts, applied %d;", d.ID, d.Tenant, d.Index, d.Range(), d.Parts, d.AppliedAt)
	for _, tenant := range snap.Tenants() {
		for _, p := range snap.Parts(tenant, snap.Bounds(tenant)) {
			out += fmt.Sprintf("\n%s %s %s level %d masked %d pending %t", p.Tenant, p.Hour, p.Object, p.Level, p.Masked, d.Masks(p))
		}
	}
	for _, j := range snap.Jobs() {
		out += fmt.Sprintf("\njob %+v", *j)
	}
	for _, x := range snap.Tombstones() {
		out += fmt.Sprintf("\ntombstone %+v", x)
	}
	return out
}

func seriesText(labels map[string]string) string {
	var pairs []string
	for name, value := range labels {
		pairs = append(pairs, name, value)
	}
	return warehouse.LabelsOf(pairs...).String()
}

// definedIn lists the definitions of all objects of a bucket's folder.
func definedIn(t *testing.T, dir string) (out []string) {
	t.Helper()
	eachStoredTable(t, dir, func(p *warehouse.Part, table warehouse.Table, data []byte) {
		prefix := fmt.Sprint(p.Tenant, p.Hour)
		switch table {
		case warehouse.TableSeries:
			require.NoError(t, block.ReadSeries(data, func(s warehouse.Series) error {
				out = append(out, fmt.Sprint(prefix, " series ", s.Type, s.Labels.String()))
				return nil
			}))
		case warehouse.TableStacktraces:
			require.NoError(t, block.ReadStacktraces(data, func(s warehouse.Stacktrace) error {
				var names []string
				for _, f := range slices.Backward(s.Frames) {
					names = append(names, f.Function)
				}
				out = append(out, fmt.Sprint(prefix, " stack ", strings.Join(names, ";")))
				return nil
			}))
		}
	})
	return out
}

// eachStoredTable calls fn with every table of every object in a bucket's folder.
func eachStoredTable(t *testing.T, dir string, fn func(p *warehouse.Part, table warehouse.Table, data []byte)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".seg"):
			seg, err := readDescription(path)
			if err != nil {
				return err
			}
			for i := range seg.Parts {
				for _, s := range seg.Parts[i].Sections {
					fn(&seg.Parts[i], s.Table, data[s.Offset:s.Offset+s.Size])
				}
			}
		case filepath.Base(path) == block.MetaName:
			p, _, err := block.DecodeMeta(data)
			if err != nil {
				return err
			}
			for _, s := range p.Sections {
				data, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.Base(block.SectionName(p, s.Table))))
				if err != nil {
					return err
				}
				fn(p, s.Table, data)
			}
		}
		return nil
	}))
}
