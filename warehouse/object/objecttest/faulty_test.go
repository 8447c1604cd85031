package objecttest

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

func isUnavailable(err error) bool { return warehouse.KindOf(err) == warehouse.Unavailable }

// TestFaults shows each fault on a bucket that holds "old" as a/b.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault   Fault
		op      Op
		kind    warehouse.Kind // of the call; NumKinds for none
		after   string         // what is a/b after the call, "" for missing
		settled string         // and when late effects have taken place
	}{
		{FailBefore, OpPut, warehouse.Unavailable, "old", "old"},
		{FailAfter, OpPut, warehouse.Unavailable, "new!", "new!"},
		{FailLate, OpPut, warehouse.Unavailable, "old", "new!"},
		{TimeoutBefore, OpPut, warehouse.Deadline, "old", "old"},
		{TimeoutAfter, OpPut, warehouse.Deadline, "new!", "new!"},
		{Cancel, OpPut, warehouse.Canceled, "old", "old"},
		{Torn, OpPut, warehouse.Unavailable, "ne", "ne"},
		{FailBefore, OpDelete, warehouse.Unavailable, "old", "old"},
		{FailAfter, OpDelete, warehouse.Unavailable, "", ""},
		{FailLate, OpDelete, warehouse.Unavailable, "old", ""},
		{TimeoutAfter, OpDelete, warehouse.Deadline, "", ""},
		{FailBefore, OpRead, warehouse.Unavailable, "old", "old"},
		{FailAfter, OpRead, warehouse.Unavailable, "old", "old"},
		{Missing, OpRead, warehouse.NotFound, "old", "old"},
		{Short, OpRead, warehouse.NumKinds, "old", "old"},
		{Flipped, OpRead, warehouse.NumKinds, "old", "old"},
		{Missing, OpStat, warehouse.NotFound, "old", "old"},
		{TimeoutBefore, OpStat, warehouse.Deadline, "old", "old"},
		{Cancel, OpList, warehouse.Canceled, "old", "old"},
		{FailAfter, OpList, warehouse.Unavailable, "old", "old"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s of %s", tt.fault, tt.op), func(t *testing.T) {
			below := object.NewMemory()
			put(t, below, "a/b", "old")
			f := NewFaulty(below, FaultPlan{Rules: []Rule{{Op: tt.op, Fault: tt.fault, Nth: 1}}})
			var err error
			switch tt.op {
			case OpPut:
				err = f.Put(t.Context(), "a/b", []byte("new!"))
			case OpDelete:
				err = f.Delete(t.Context(), "a/b")
			case OpStat:
				_, err = f.Stat(t.Context(), "a/b")
			case OpList:
				err = f.List(t.Context(), "a", func(object.Attrs) error { return nil })
			case OpRead:
				var data []byte
				data, err = f.Read(t.Context(), "a/b", 0, -1)
				switch tt.fault {
				case Short:
					require.Less(t, len(data), 3)
				case Flipped:
					require.Len(t, data, 3)
					flips := 0
					for i := range data {
						flips += bits.OnesCount8(data[i] ^ "old"[i])
					}
					require.Equal(t, 1, flips)
				default:
					require.Empty(t, data)
				}
			}
			if tt.kind == warehouse.NumKinds {
				require.NoError(t, err)
			} else {
				wantKind(t, tt.kind, err)
			}
			require.Equal(t, 1, f.Injected(tt.fault))
			require.Equal(t, 1, f.Calls(tt.op))
			wantOrMissing(t, below, tt.after)
			require.NoError(t, f.Settle(t.Context()))
			wantOrMissing(t, below, tt.settled)
			require.Len(t, names(t, f, ""), len(names(t, below, "")), "only the first call fails")
		})
	}
}

func wantOrMissing(t *testing.T, b object.Bucket, want string) {
	t.Helper()
	if want != "" {
		wantObject(t, b, "a/b", want)
		return
	}
	_, err := b.Stat(t.Context(), "a/b")
	wantKind(t, warehouse.NotFound, err)
}

func TestFaultsOfListings(t *testing.T) {
	t.Parallel()
	f := NewFaulty(object.NewMemory(), FaultPlan{})
	for _, name := range []string{"a/1", "a/2", "b/3"} {
		put(t, f, name, "x")
	}
	require.Equal(t, []string{"a/1", "a/2", "b/3"}, names(t, f, ""))
	require.NoError(t, f.Delete(t.Context(), "a/1"))
	put(t, f, "a/0", "new")
	put(t, f, "c", "new")

	f.Break(FaultPlan{Rules: []Rule{{Fault: Stale, Chance: 1}}})
	require.Equal(t, []string{"a/1", "a/2", "b/3"}, names(t, f, ""))
	require.Equal(t, []string{"a/1", "a/2"}, names(t, f, "a"))
	f.Break(FaultPlan{Rules: []Rule{{Fault: Repeated, Chance: 1}}})
	require.Len(t, names(t, f, ""), 5)
	f.Heal()
	require.Equal(t, []string{"a/0", "a/2", "b/3", "c"}, names(t, f, ""))
}

// TestFaultsAreDeterministic: a seed chooses the same faults however goroutines
// on distinct names are scheduled.
func TestFaultsAreDeterministic(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		f := NewFaulty(object.NewMemory(), FaultPlan{Seed: seed, Rules: []Rule{
			{Op: OpPut, Fault: FailBefore, Chance: 0.3}, {Op: OpRead, Fault: Flipped, Chance: 0.3},
		}})
		outcomes := make([]bytes.Buffer, 8)
		var wg sync.WaitGroup
		for id := range outcomes {
			wg.Go(func() {
				name := fmt.Sprintf("name/%d", id)
				for range 20 {
					err := f.Put(t.Context(), name, []byte("0123456789"))
					data, _ := f.Read(t.Context(), name, 0, -1)
					fmt.Fprintf(&outcomes[id], "%t %x;", err == nil, data)
				}
			})
		}
		wg.Wait()
		var all string
		for i := range outcomes {
			all += outcomes[i].String() + "\n"
		}
		require.Positive(t, f.Injected(FailBefore))
		require.Positive(t, f.Injected(Flipped))
		return all
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
}

func TestRuleSelects(t *testing.T) {
	t.Parallel()
	f := NewFaulty(object.NewMemory(), FaultPlan{Rules: []Rule{{Op: OpPut, Prefix: "a/", Fault: FailBefore, Nth: 2}}})
	put(t, f, "a/1", "x")
	put(t, f, "b/1", "x")
	require.True(t, isUnavailable(f.Put(t.Context(), "a/2", nil)))
	put(t, f, "a/2", "x")
	_, ok := f.LocalPath("a/1")
	require.False(t, ok)
	for _, fault := range Faults() {
		require.NotEmpty(t, fault.String())
		applies := 0
		for _, op := range []Op{OpPut, OpRead, OpStat, OpList, OpDelete} {
			if fault.appliesTo(op) {
				applies++
			}
		}
		require.Positive(t, applies, fault)
	}
}

// TestDisk checks the model of a disk itself.
func TestDisk(t *testing.T) {
	t.Parallel()
	d := NewDisk()
	require.NoError(t, d.Mkdir("", "/a"))
	require.NoError(t, d.SyncDir("", "/"))
	write := func(path, data string, sync bool) {
		f, err := d.Create("", path)
		require.NoError(t, err)
		_, err = f.Write([]byte(data))
		require.NoError(t, err)
		if sync {
			require.NoError(t, f.Sync())
		}
		require.NoError(t, f.Close())
	}
	write("/a/synced", "s", true)
	require.NoError(t, d.SyncDir("", "/a"))
	write("/a/name-lost", "s", true)
	sizes := func(d *Disk) map[string]int64 {
		got := map[string]int64{}
		entries, err := d.ReadDir("", "/a")
		require.NoError(t, err)
		for _, e := range entries {
			info, err := e.Info()
			require.NoError(t, err)
			got[e.Name()] = info.Size()
		}
		return got
	}
	require.Equal(t, map[string]int64{"synced": 1, "name-lost": 1}, sizes(d))
	require.Equal(t, map[string]int64{"synced": 1}, sizes(d.Crash(nil)))

	write("/a/bytes-lost", "unsynced", false)
	require.NoError(t, d.SyncDir("", "/a"))
	require.Equal(t, map[string]int64{"synced": 1, "name-lost": 1, "bytes-lost": 0}, sizes(d.Crash(nil)))

	require.NoError(t, d.Rename("", "/a/synced", "/a/renamed"))
	require.NoError(t, d.Remove("", "/a/name-lost"))
	require.Equal(t, map[string]int64{"synced": 1, "name-lost": 1, "bytes-lost": 0}, sizes(d.Crash(nil)), "renames and removals are lost, too")
	require.Equal(t, map[string]int64{"renamed": 1, "bytes-lost": 8}, sizes(d))

	for name, err := range map[string]error{
		"exists":    d.Mkdir("", "/a"),
		"not empty": d.Remove("", "/a"),
		"missing":   d.Rename("", "/a/none", "/a/x"),
		"no folder": d.Mkdir("", "/a/renamed/x"),
		"a folder":  d.Rename("", "/a/renamed", "/a"),
	} {
		require.Error(t, err, name)
	}
	_, err := d.Open("", "/b")
	require.Error(t, err)
	hooked := HookedOS{OS: d, Before: func(Call) error { return errors.New("no") }}
	_, err = hooked.Open("", "/a/renamed")
	require.EqualError(t, err, "no")
}
