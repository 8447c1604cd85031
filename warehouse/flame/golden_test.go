package flame

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestGolden runs the scripts in testdata: see testdata/README.md.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			script, err := txtar.ParseFile(file)
			require.NoError(t, err)
			input := map[string]stacks{}
			for i, section := range script.Files {
				switch section.Name {
				case "stacks", "left", "right":
					input[section.Name] = folded(t, string(section.Data))
					continue
				}
				got := answer(t, section.Name, input)
				if diff := cmp.Diff(string(section.Data), got); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", section.Name, diff)
				}
				script.Files[i].Data = []byte(got)
			}
			if *update {
				require.NoError(t, os.WriteFile(file, txtar.Format(script), 0o644))
			}
		})
	}
}

// answer runs a verb of the scripts.
func answer(t *testing.T, verb string, input map[string]stacks) string {
	t.Helper()
	verb, arg, _ := strings.Cut(verb, " ")
	n, _ := strconv.ParseInt(arg, 10, 64)
	x := input["stacks"]
	switch verb {
	case "tree":
		return x.tree(t, anyRand()).String()
	case "trim":
		return x.tree(t, anyRand()).Trim(n).String()
	case "subtree":
		return x.tree(t, anyRand()).SubTree(strings.Split(arg, ";")).String()
	case "flamebearer":
		f := x.tree(t, anyRand()).Trim(n).Flamebearer()
		return fmt.Sprintf("total %d, max self %d\n%s", f.Total, f.MaxSelf, drawBoxes(f.Names, f.Levels, 4))
	case "diff":
		f := diffed(t, input["left"].tree(t, anyRand()), input["right"].tree(t, anyRand()), n)
		return fmt.Sprintf("total %d, left %d, right %d, max self %d\n%s", f.Total, f.LeftTicks, f.RightTicks, f.MaxSelf, drawBoxes(f.Names, f.Levels, 7))
	case "dot":
		text := x.tree(t, anyRand()).Dot(int(n))
		checkDot(t, text)
		return text
	case "binary":
		return drawBinary(t, x.tree(t, anyRand()).AppendBinary(nil))
	case "pprof":
		return strings.Join(describe(mustPprof(t, x.symbols(anyRand()), x.ids(), x.values, PprofMeta{})), "\n") + "\n"
	}
	t.Fatalf("unknown verb %q", verb)
	return ""
}

// drawBoxes writes a line a level, with names in place of their indexes.
func drawBoxes(names []string, levels [][]int64, width int) string {
	var b strings.Builder
	for _, level := range levels {
		for ; len(level) > 0; level = level[width:] {
			fmt.Fprintf(&b, "[%s", names[level[width-1]])
			for _, v := range level[:width-1] {
				fmt.Fprintf(&b, " %d", v)
			}
			b.WriteByte(']')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// drawBinary writes a line a node: its bytes, and what they mean. All numbers
// are below 128 in scripts.
func drawBinary(t *testing.T, data []byte) string {
	t.Helper()
	var b strings.Builder
	for len(data) > 0 {
		n := int(data[0])
		name, self, children := data[1:1+n], data[1+n], data[2+n]
		require.Less(t, max(data[0], self, children), byte(128))
		fmt.Fprintf(&b, "%-24x %q self %d, %d children\n", data[:n+3], name, self, children)
		data = data[n+3:]
	}
	return b.String()
}
