package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// microBenchmarks are run by the stage micro: package → pattern.
var microBenchmarks = [][2]string{
	{"./warehouse/inflate", "."},
	{"./warehouse/profile", "Decode|Prepare"},
	{"./warehouse/block", "AppendSamples|SamplesRecord|ReadSampleColumns|ReadStacks"},
	{"./warehouse/flame", "Build$|Merge|Diff|Trim|Flamebearer|Binary|Pprof"},
	{"./sql/query", "Tree|StackSums|LabelsAndSeries"},
	{"./compactor", "Merge"},
	{"./metastore/state", "Apply|Parts|Plan"},
}

// runs of each benchmark, of which the median counts.
const microRuns = 3

var benchmarkLine = regexp.MustCompile(`^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+([0-9.e+]+) ns/op`)

// runMicro runs Go benchmarks. It needs the Go toolchain and the sources.
func runMicro(ctx context.Context, s *suite) error {
	for _, b := range microBenchmarks {
		cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench="+b[1], "-benchtime=0.5s", "-count="+strconv.Itoa(microRuns), b[0])
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
		}
		order, values, err := parseBenchmarks(out)
		if err != nil {
			return err
		}
		for _, name := range order {
			slices.Sort(values[name])
			s.put("micro/"+strings.TrimPrefix(b[0], "./")+"/"+strings.TrimPrefix(name, "Benchmark"), values[name][len(values[name])/2], nanos)
		}
	}
	return nil
}

// parseBenchmarks returns ns/op of every line, by name.
func parseBenchmarks(out []byte) (order []string, values map[string][]float64, err error) {
	values = map[string][]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		m := benchmarkLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, nil, fmt.Errorf("benchmark line %q: %w", lines.Text(), err)
		}
		if values[m[1]] == nil {
			order = append(order, m[1])
		}
		values[m[1]] = append(values[m[1]], v)
	}
	return order, values, nil
}
