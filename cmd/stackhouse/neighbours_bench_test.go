//go:build e2e

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/google/uuid"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

// BenchmarkNeighbours is what a tenant that pushes one profile ten times a second
// notices of another that sends requests of 100 MB, one after the other: how long its
// acknowledgements take, alone and beside it. The server is a process of its own.
//
//	go test -tags duckdb_arrow,e2e ./cmd/stackhouse -run '^$' -bench Neighbours -benchtime 1x
func BenchmarkNeighbours(b *testing.B) {
	const pushes = 150
	body := neighbourProfile(b)
	loud := int(100<<20) / len(body)
	for b.Loop() {
		s := start(b, b.TempDir(), "--memory=8GiB", "--no-self-profiling")
		alone := acks(b, s, body, pushes)
		var sent atomic.Int64
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		for range 2 {
			r := newNeighbourRequest(b, "loud", body, loud)
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := r.push(ctx, s); err == nil {
						sent.Add(int64(loud))
					} else if ctx.Err() == nil {
						b.Error(err)
						return
					}
				}
			})
		}
		<-time.After(time.Second) // the load, not a wait: the first requests are under way
		began := time.Now()
		beside := acks(b, s, body, pushes)
		rate := float64(sent.Load()) / time.Since(began).Seconds()
		cancel()
		wg.Wait()
		s.terminate(b)
		ms := func(acks []time.Duration, q float64) float64 {
			return float64(acks[int(q*float64(len(acks)-1))].Microseconds()) / 1e3
		}
		b.ReportMetric(ms(alone, 0.5), "alone-p50-ms")
		b.ReportMetric(ms(alone, 0.99), "alone-p99-ms")
		b.ReportMetric(ms(beside, 0.5), "beside-p50-ms")
		b.ReportMetric(ms(beside, 0.99), "beside-p99-ms")
		b.ReportMetric(rate, "loud-profiles/s")
	}
}

// BenchmarkManyTenants is what the server holds after the same 6,000 profiles of one
// tenant and service, and of 1,000 tenants with two services each: at the end of the
// pushes, at most during them, and when all is merged.
//
//	go test -tags duckdb_arrow,e2e ./cmd/stackhouse -run '^$' -bench ManyTenants -benchtime 1x
func BenchmarkManyTenants(b *testing.B) {
	const profiles = 6000
	body := neighbourProfile(b)
	for _, tenants := range []int{1, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			for b.Loop() {
				s := start(b, b.TempDir(), "--no-self-profiling")
				var g errgroup.Group
				g.SetLimit(16)
				began := time.Now()
				for i := range profiles {
					g.Go(func() error {
						r := newNeighbourRequest(b, fmt.Sprintf("tenant-%d", i%tenants), body, 1)
						if tenants > 1 && i/tenants%2 == 1 {
							r = newNeighbourRequest(b, fmt.Sprintf("tenant-%d", i%tenants), body, 1, "second")
						}
						return r.push(b.Context(), s)
					})
				}
				require.NoError(b, g.Wait())
				b.ReportMetric(profiles/time.Since(began).Seconds(), "profiles/s")
				b.ReportMetric(memoryOf(b, s, "VmRSS"), "MB-after-pushes")
				<-time.After(20 * time.Second) // long enough for merges of this many; nothing waits for it
				b.ReportMetric(memoryOf(b, s, "VmHWM"), "MB-at-most")
				b.ReportMetric(memoryOf(b, s, "VmRSS"), "MB-at-rest")
				s.terminate(b)
			}
		})
	}
}

// memoryOf returns a figure of the server's memory, in MB.
func memoryOf(tb testing.TB, s *server, name string) float64 {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	require.NoError(tb, err)
	_, rest, ok := strings.Cut(string(status), name+":")
	require.True(tb, ok)
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(tb, err)
	return kB / 1024
}

// acks pushes n profiles, one each tenth of a second, and returns how long their
// acknowledgements took, sorted.
func acks(tb testing.TB, s *server, body []byte, n int) []time.Duration {
	tb.Helper()
	out := make([]time.Duration, n)
	var wg sync.WaitGroup
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		r := newNeighbourRequest(tb, "quiet", body, 1)
		wg.Go(func() {
			began := time.Now()
			if err := r.push(tb.Context(), s); err != nil {
				tb.Error(err)
			}
			out[i] = time.Since(began)
		})
	}
	wg.Wait()
	slices.Sort(out)
	return out
}

// neighbourRequest is a push of one body n times, as profiles with ids of their own.
// It is encoded once: the clients are not what is measured.
type neighbourRequest struct {
	tenant  string
	encoded []byte
	ids     []int // where they are
}

func newNeighbourRequest(tb testing.TB, tenant string, body []byte, n int, service ...string) *neighbourRequest {
	tb.Helper()
	name := strings.Join(append(service, tenant), "-")
	series := &pushv1.RawProfileSeries{Labels: []*typesv1.LabelPair{{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: name}}}
	id := uuid.NewString()
	for range n {
		series.Samples = append(series.Samples, &pushv1.RawSample{ID: id, RawProfile: body})
	}
	encoded, err := proto.Marshal(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{series}})
	require.NoError(tb, err)
	r := &neighbourRequest{tenant: tenant, encoded: encoded}
	for at := bytes.Index(encoded, []byte(id)); len(r.ids) < n; {
		r.ids = append(r.ids, at)
		at += len(id) + bytes.Index(encoded[at+len(id):], []byte(id))
	}
	return r
}

// push sends the request with new ids.
func (r *neighbourRequest) push(ctx context.Context, s *server) error {
	for _, at := range r.ids {
		copy(r.encoded[at:], uuid.NewString())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/push.v1.PusherService/Push", bytes.NewReader(r.encoded))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/proto")
	req.Header.Set("X-Scope-OrgID", r.tenant)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", res.Status, text)
	}
	return err
}

// neighbourProfile is a profile of 500 stacks of 10 to 40 frames, compressed.
func neighbourProfile(tb testing.TB) []byte {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	cpu := &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}
	p := &profile.Profile{SampleType: []*profile.ValueType{cpu}, PeriodType: cpu, Period: 10_000_000, TimeNanos: time.Now().UnixNano(), DurationNanos: 15e9}
	for i := range 1500 {
		f := &profile.Function{ID: uint64(i + 1), Name: fmt.Sprintf("github.com/acme/shop/pkg%d.(*Handler%d).Process%d", i%40, i%90, i), Filename: fmt.Sprintf("/src/shop/pkg%d/file%d.go", i%40, i%7)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &profile.Location{ID: uint64(i + 1), Address: rng.Uint64N(1 << 30), Line: []profile.Line{{Function: f, Line: rng.Int64N(900)}}})
	}
	for range 500 {
		s := &profile.Sample{Value: []int64{1 + rng.Int64N(1e9)}}
		for range 10 + rng.IntN(31) {
			s.Location = append(s.Location, p.Location[min(rng.IntN(1500), rng.IntN(1500))])
		}
		p.Sample = append(p.Sample, s)
	}
	var b bytes.Buffer
	require.NoError(tb, p.Write(&b))
	return b.Bytes()
}
