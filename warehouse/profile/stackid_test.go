package profile

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestIsStacktraceID: the ids of real profiles follow from their definitions.
func TestIsStacktraceID(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/pprof/*.pb.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		raw := Raw{Labels: warehouse.LabelsOf("service_name", "s"), Body: body, SampleTypes: DefaultSampleTypes(), Time: time.Unix(1e9, 0)}
		p, err := new(Preparer).Prepare("acme", raw, 0, time.Unix(1e9, 0), DefaultLimits())
		require.NoError(t, err, file)
		unknown := 0
		for _, id := range p.definitions.ids {
			frames, ok := p.AppendFrames(nil, id)
			require.True(t, ok)
			matches, known := IsStacktraceID(id, frames)
			if !known {
				unknown++
				continue
			}
			require.True(t, matches, "%s: %v", file, frames)
			matches, _ = IsStacktraceID(id+1, frames)
			require.False(t, matches)
		}
		t.Logf("%s: %d of %d ids are not told", filepath.Base(file), unknown, len(p.definitions.ids))
	}
}

// TestIsStacktraceIDGuesses: functions without a name are shown by another.
func TestIsStacktraceIDGuesses(t *testing.T) {
	t.Parallel()
	function := func(name, system string) uint64 { return hashRecord(appendFunction(nil, name, system, "f.c", 0)) }
	location := func(base string, functions ...uint64) []byte {
		b := appendLocation(nil, base, len(functions))
		for _, f := range functions {
			b = appendLine(b, f, 3)
		}
		return b
	}
	stack := func(locations ...[]byte) warehouse.StacktraceID {
		b := appendStack(nil, len(locations))
		for _, l := range locations {
			b = binary.LittleEndian.AppendUint64(b, hashRecord(l))
		}
		return warehouse.StacktraceID(hashRecord(b))
	}
	frame := func(name, system, mapping string, inlined bool) warehouse.Frame {
		return warehouse.Frame{Function: name, SystemName: system, Filename: "f.c", Line: 3, Mapping: mapping, Inlined: inlined}
	}
	tests := []struct {
		name           string
		id             warehouse.StacktraceID
		frames         []warehouse.Frame
		matches, known bool
	}{
		{"nothing", stack(), nil, true, true},
		{"named", stack(location("a", function("f", "f"))), []warehouse.Frame{frame("f", "f", "a", false)}, true, true},
		{"nameless", stack(location("a", function("", "f"))), []warehouse.Frame{frame("f", "f", "a", false)}, true, true},
		{"without any name", stack(location("a", function("", ""))), []warehouse.Frame{frame("unknown", "", "a", false)}, true, true},
		{"inlined", stack(location("a", function("f", "_f"), function("g", "_g"))), []warehouse.Frame{frame("f", "_f", "a", true), frame("g", "_g", "a", false)}, true, true},
		{"not inlined", stack(location("a", function("f", "_f"), function("g", "_g"))), []warehouse.Frame{frame("f", "_f", "a", false), frame("g", "_g", "a", false)}, false, true},
		{
			"two binaries", stack(location("a", function("", "f")), location("b", function("g", "g"))),
			[]warehouse.Frame{frame("f", "f", "a", false), frame("g", "g", "b", false)}, true, true,
		},
		{
			"one binary, both kinds", stack(location("a", function("", "f")), location("a", function("g", "g"))),
			[]warehouse.Frame{frame("f", "f", "a", false), frame("g", "g", "a", false)}, true, true,
		},
		{"address with a build id", stack(appendAddress(nil, "build", 7)), []warehouse.Frame{{Function: "a+0x7", Mapping: "a", BuildID: "build", Address: 7}}, true, true},
		{"address without a binary", stack(appendAddress(nil, "", 7)), []warehouse.Frame{{Function: "0x7", Address: 7}}, true, true},
		{"address in a binary without a folder", stack(appendAddress(nil, "a", 7)), []warehouse.Frame{{Function: "a+0x7", Mapping: "a", Address: 7}}, true, true},
		{"address in a binary of some folder", stack(appendAddress(nil, "/usr/a", 7)), []warehouse.Frame{{Function: "a+0x7", Mapping: "a", Address: 7}}, false, false},
		{"another id", 5, []warehouse.Frame{frame("f", "f", "a", false)}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			matches, known := IsStacktraceID(tt.id, tt.frames)
			require.Equal(t, tt.matches, matches)
			require.Equal(t, tt.known, known)
		})
	}
}
