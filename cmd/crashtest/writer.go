package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/google/pprof/profile"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
)

// tenants that writers push for, in turn.
var tenants = []string{"crash-a", "crash-b"}

const (
	profileType = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	service     = "crashed"
)

// writer pushes profiles one after another, each until it is acknowledged.
type writer struct {
	number      int
	tenant      string
	url         string
	client      *http.Client
	sent, acked *os.File
	ackedCount  atomic.Int64
	ended       chan struct{}
	err         error
}

func newWriter(h *harness, n int) (*writer, error) {
	w := &writer{
		number: n, tenant: tenants[n%len(tenants)], url: "http://" + h.server.HTTP, ended: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second},
	}
	var err error
	if w.sent, err = os.Create(filepath.Join(h.dir, fmt.Sprintf("sent-%d", n))); err != nil {
		return nil, err
	}
	w.acked, err = os.Create(filepath.Join(h.dir, fmt.Sprintf("acked-%d", n)))
	return w, err
}

// value is what the n-th profile of the writer adds up to.
func (w *writer) value(seq int) int64 { return int64(1000*seq + w.number + 1) }

func (w *writer) id(seq int) string { return fmt.Sprintf("%d-%d", w.number, seq) }

// run pushes until ctx is done.
func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	client := pushv1connect.NewPusherServiceClient(w.client, w.url)
	for seq := 0; ctx.Err() == nil; seq++ {
		req, err := w.request(seq)
		if err == nil {
			_, err = fmt.Fprintf(w.sent, "%s %s %d\n", w.tenant, w.id(seq), w.value(seq))
		}
		if err == nil {
			err = w.sent.Sync()
		}
		if err != nil {
			w.err = err
			return
		}
		for ctx.Err() == nil {
			r := connect.NewRequest(req)
			r.Header().Set("X-Scope-OrgID", w.tenant)
			// A push that is under way when the run ends is left to its own time-out.
			if _, err = client.Push(context.WithoutCancel(ctx), r); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond) // a client that tries again
		}
		if err != nil {
			return
		}
		if _, w.err = fmt.Fprintln(w.acked, w.id(seq)); w.err == nil {
			w.err = w.acked.Sync()
		}
		if w.err != nil {
			return
		}
		w.ackedCount.Add(1)
	}
}

// request makes the push of a profile of two samples. A third of the profiles are
// of hours before.
func (w *writer) request(seq int) (*pushv1.PushRequest, error) {
	at := time.Now().Add(-time.Duration(seq%3) * time.Hour)
	fn := func(id uint64, name string) *profile.Location {
		return &profile.Location{ID: id, Line: []profile.Line{{Function: &profile.Function{ID: id, Name: name, SystemName: name, Filename: name + ".go"}, Line: 1}}}
	}
	root, leaf := fn(1, "main"), fn(2, fmt.Sprintf("work%d", seq%50))
	cpu := &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{cpu}, PeriodType: cpu, Period: 1, TimeNanos: at.UnixNano(), DurationNanos: 1e9,
		Sample: []*profile.Sample{
			{Location: []*profile.Location{leaf, root}, Value: []int64{w.value(seq) - 1}},
			{Location: []*profile.Location{root}, Value: []int64{1}},
		},
		Location: []*profile.Location{root, leaf}, Function: []*profile.Function{root.Line[0].Function, leaf.Line[0].Function},
	}
	var body bytes.Buffer
	if err := p.Write(&body); err != nil {
		return nil, err
	}
	return &pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{{
		Labels: []*typesv1.LabelPair{
			{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: service}, {Name: "id", Value: w.id(seq)},
		},
		Samples: []*pushv1.RawSample{{RawProfile: body.Bytes()}},
	}}}, nil
}

// close waits for the writer and closes its logs.
func (w *writer) close() error {
	<-w.ended
	for _, f := range []*os.File{w.sent, w.acked} {
		if err := f.Close(); err != nil {
			return err
		}
	}
	return w.err
}
