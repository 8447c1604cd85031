// Command generate writes the profiles of this folder: those of a small program
// that encodes, sorts, allocates, contends and waits. See ../SOURCE.md.
//
//	go build -trimpath -buildvcs=false -o /app/checkout . && /app/checkout DIR
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"time"
)

type order struct {
	ID    int
	Name  string
	Lines []line
}

type line struct {
	Item  string
	Price float64
	Tags  map[string]string
}

var kept []*order

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIR")
		os.Exit(2)
	}
	dir := os.Args[1]
	runtime.MemProfileRate = 16 << 10
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	cpu(dir)
	contend()
	stop := park(30)
	for _, name := range []string{"heap", "goroutine", "mutex", "block"} {
		write(dir, name, func(b *bytes.Buffer) error { return pprof.Lookup(name).WriteTo(b, 0) })
	}
	close(stop)
	_ = kept
}

func write(dir, name string, fill func(*bytes.Buffer) error) {
	var b bytes.Buffer
	err := fill(&b)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "go."+name+".pb.gz"), b.Bytes(), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cpu works under labels of an endpoint and, for some of it, of a span.
func cpu(dir string) {
	write(dir, "cpu", func(b *bytes.Buffer) error {
		if err := pprof.StartCPUProfile(b); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		until := time.Now().Add(2 * time.Second)
		for i := 0; time.Now().Before(until); i++ {
			labels := pprof.Labels("endpoint", []string{"/cart", "/pay"}[i%2])
			if i%3 == 0 {
				labels = pprof.Labels("endpoint", "/pay", "span_id", fmt.Sprintf("%016x", 0xabc0+i%4), "trace_id", fmt.Sprintf("%032x", 0xdef0+i%2))
			}
			if i%5 == 0 {
				serve(i)
				continue
			}
			pprof.Do(context.Background(), labels, func(context.Context) { serve(i) })
		}
		return nil
	})
}

func serve(i int) {
	o := makeOrder(i, 40)
	if i%64 == 0 {
		kept = append(kept, o)
	}
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var back order
	if err := json.Unmarshal(data, &back); err != nil {
		panic(err)
	}
	sort.Slice(back.Lines, func(a, b int) bool { return back.Lines[a].Price < back.Lines[b].Price })
	pack(data)
}

func pack(data []byte) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(data)
	w.Close()
	sha256.Sum256(z.Bytes())
}

func makeOrder(i, n int) *order {
	o := &order{ID: i, Name: strings.Repeat("x", i%17)}
	for j := range n {
		o.Lines = append(o.Lines, line{fmt.Sprint("item-", j), price(i, j), map[string]string{"k": "v"}})
	}
	return o
}

func price(i, j int) float64 { return float64(mix(uint64(i*31+j))%10_000) / 100 }

func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	return z ^ (z >> 31)
}

// contend makes goroutines wait for one another.
func contend() {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				mu.Lock()
				time.Sleep(50 * time.Microsecond)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// park leaves n goroutines waiting, at several depths.
func park(n int) chan struct{} {
	stop := make(chan struct{})
	var ready sync.WaitGroup
	for i := range n {
		ready.Add(1)
		go descend(i%6, &ready, stop)
	}
	ready.Wait()
	return stop
}

func descend(depth int, ready *sync.WaitGroup, stop chan struct{}) {
	if depth > 0 {
		descend(depth-1, ready, stop)
		return
	}
	ready.Done()
	<-stop
}
