package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"golang.org/x/sync/errgroup"
)

const (
	pushers        = 32
	profilesOfPush = 10
)

// pushed is what came of a push.
type pushed struct {
	profiles, samples int
	took              time.Duration
	latencies         []time.Duration // of the requests
	totals            map[string]int64
}

func (p *pushed) perSecond() float64 { return float64(p.profiles) / p.took.Seconds() }

// push sends the whole workload at full speed.
func push(ctx context.Context, url string, w *workload) (*pushed, error) {
	client := pushv1connect.NewPusherServiceClient(newClient(pushers), url)
	out := &pushed{profiles: w.profiles(), totals: map[string]int64{}}
	var mu sync.Mutex
	numbers := make(chan int)
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	g.Go(func() error {
		defer close(numbers)
		for n := 0; n < w.profiles(); n += profilesOfPush {
			select {
			case numbers <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range pushers {
		g.Go(func() error {
			for first := range numbers {
				all := make([]sent, 0, profilesOfPush)
				for n := first; n < min(first+profilesOfPush, w.profiles()); n++ {
					all = append(all, w.profile(n))
				}
				req, err := requestOf(all)
				if err != nil {
					return err
				}
				at := time.Now()
				if _, err := client.Push(ctx, connect.NewRequest(req)); err != nil {
					return fmt.Errorf("push: %w", err)
				}
				took := time.Since(at)
				mu.Lock()
				out.count(all, took)
				mu.Unlock()
			}
			return nil
		})
	}
	err := g.Wait()
	out.took = time.Since(began)
	slices.Sort(out.latencies)
	return out, err
}

func (p *pushed) count(all []sent, took time.Duration) {
	p.latencies = append(p.latencies, took)
	for i := range all {
		p.samples += all[i].body.samples
		for t, typ := range kinds[all[i].kind].types {
			p.totals[typeName(all[i].kind, typ.Type, typ.Unit)] += all[i].body.totals[t]
		}
	}
}

func typeName(k int, typ, unit string) string {
	return fmt.Sprintf("%s:%s:%s:%s:%s", kinds[k].name, typ, unit, kinds[k].period.Type, kinds[k].period.Unit)
}

func requestOf(all []sent) (*pushv1.PushRequest, error) {
	req := &pushv1.PushRequest{}
	for i := range all {
		data, err := all[i].encode()
		if err != nil {
			return nil, err
		}
		s := &pushv1.RawProfileSeries{Samples: []*pushv1.RawSample{{RawProfile: data}}}
		labels := all[i].labels()
		for l := 0; l < len(labels); l += 2 {
			s.Labels = append(s.Labels, &typesv1.LabelPair{Name: labels[l], Value: labels[l+1]})
		}
		req.Series = append(req.Series, s)
	}
	return req, nil
}

func newClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
}
