package metastore

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// victimEnv tells the test binary to be the process that is killed.
const victimEnv = "STACKHOUSE_TEST_VICTIM_DIR"

// victim adds segments, writes a line for each that was answered, and never ends.
func victim(dir string) {
	o := quiet(dir)
	o.tuning.compactEvery, o.tuning.compactAfter = time.Millisecond, 64
	o.tuning.logSegment = 64 << 10
	m, err := Open(o)
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	go func() { fmt.Println("run:", m.Run(context.Background())) }()
	if err := m.WaitReady(context.Background()); err != nil {
		fmt.Println("ready:", err)
		os.Exit(1)
	}
	var next atomic.Int64
	next.Store(int64(m.fsm.view.Load().Totals().Parts) + int64(m.fsm.view.Load().Index())*10)
	for range 4 {
		go func() {
			for {
				n := int(next.Add(1))
				r, err := m.AddSegment(context.Background(), segment(n))
				if err != nil || r.Outcome != warehouse.Added {
					fmt.Println("add:", r, err)
					continue
				}
				_, _ = os.Stdout.WriteString(strconv.Itoa(n) + "\n")
			}
		}()
	}
	select {}
}

// kill -9 at random times: nothing that was answered is lost, nothing counts
// twice, and the next start needs no help.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	var acked []int
	for round := range rounds {
		acked = append(acked, runVictim(t, dir, time.Duration(rand.IntN(400))*time.Millisecond)...)
		if round%3 != 2 {
			continue // sometimes it is killed twice before anybody looks
		}
		begin := time.Now()
		n := start(t, quiet(dir))
		require.Less(t, time.Since(begin), 5*time.Second)
		live := map[warehouse.ObjectID]int{}
		for _, id := range n.live() {
			live[id]++
			require.LessOrEqual(t, live[id], 1, "%s counts twice", id)
		}
		for _, a := range acked {
			require.Equal(t, 1, live[objectID(a)], "segment %d was answered and is lost", a)
		}
		last := slices.Max(acked)
		n.mustAdd(segment(last)) // a retry
		retry := segment(last)
		retry.ID = objectID(last + 1_000_000)
		retry.Parts[0].Object = retry.ID
		require.Equal(t, warehouse.HasDuplicates, n.add(retry))
		n.stop()
	}
	t.Logf("%d segments were answered", len(acked))
}

// runVictim runs a victim, kills it some time after its first answer, and
// returns what it had answered.
func runVictim(t *testing.T, dir string, after time.Duration) []int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var acked []int
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			require.NoError(t, cmd.Process.Kill())
			require.Fail(t, "victim said", lines.Text())
		}
		if timer == nil {
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		acked = append(acked, n)
	}
	require.Error(t, cmd.Wait(), "it was killed")
	require.NotEmpty(t, acked)
	return acked
}
