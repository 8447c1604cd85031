package flame

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each line of a graph is one statement of a subset of graphviz's language.
var (
	dotString  = `"(?:[^"\\\n]|\\.)*"`
	dotAttr    = `[a-z]+=(?:[a-z0-9]+|` + dotString + `)`
	dotAttrs   = `\[` + dotAttr + `(?: ` + dotAttr + `)*\]`
	dotLine    = regexp.MustCompile(`^(?:digraph ` + dotString + ` \{|(?:node|L|N\d+(?: -> N\d+)?) ` + dotAttrs + `|\})$`)
	dotArrow   = regexp.MustCompile(`^N(\d+) -> N(\d+) \[label=" (\d+)"`)
	dotBox     = regexp.MustCompile(`^N(\d+) \[label="(.*) tooltip=`)
	dotHasTool = func() bool { _, err := exec.LookPath("dot"); return err == nil }()
)

func checkDot(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		require.Regexp(t, dotLine, strings.TrimSuffix(line, "\n"))
	}
	if dotHasTool {
		cmd := exec.Command("dot", "-Tplain", "-o", os.DevNull)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

func TestDotIsValidWhateverTheNames(t *testing.T) {
	t.Parallel()
	text := "digraph"
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tree := randomStacks(rng, 20).tree(t, rng)
		limit := rng.IntN(len(vocabulary) + 3)
		text = tree.Dot(limit)
		for line := range strings.Lines(text) {
			require.Regexp(t, dotLine, strings.TrimSuffix(line, "\n"))
		}
		boxes := strings.Count(text, "tooltip=")
		if limit == 0 || limit > len(tree.names) {
			limit = len(tree.names)
		}
		assert.Equal(t, limit, boxes)
	})
	checkDot(t, text)
	checkDot(t, Empty().Dot(10))
}

// With all functions shown, boxes and arrows are what counting each stacktrace
// once says.
func TestDotCountsStacktracesOnce(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		var lines []string
		type edge [2]string
		total, self, calls := map[string]int64{}, map[string]int64{}, map[edge]int64{}
		for range 1 + rng.IntN(20) {
			var path []string
			v := 1 + rng.Int64N(100)
			seenF, seenE := map[string]bool{}, map[edge]bool{}
			for i := range 1 + rng.IntN(7) {
				fn := string(rune('a' + rng.IntN(4)))
				path = append(path, fn)
				if !seenF[fn] {
					seenF[fn] = true
					total[fn] += v
				}
				if i > 0 {
					if e := (edge{path[i-1], fn}); e[0] != e[1] && !seenE[e] {
						seenE[e] = true
						calls[e] += v
					}
				}
			}
			self[path[len(path)-1]] += v
			lines = append(lines, fmt.Sprintf("%s %d", strings.Join(path, ";"), v))
		}
		text := foldedTree(t, strings.Join(lines, "\n")).Dot(0)

		names := map[string]string{}
		gotCalls := map[edge]int64{}
		for line := range strings.Lines(text) {
			if m := dotBox.FindStringSubmatch(line); m != nil {
				label := strings.Split(strings.TrimSuffix(m[2], `"`), `\n`)
				names[m[1]] = label[0]
				var s, of int64
				_, err := fmt.Sscan(label[1], &s)
				require.NoError(t, err)
				of = s
				if len(label) > 2 {
					_, err = fmt.Sscanf(label[2], "of %d", &of)
					require.NoError(t, err)
				}
				assert.Equal(t, self[label[0]], s, text)
				assert.Equal(t, total[label[0]], of, text)
			}
			if m := dotArrow.FindStringSubmatch(line); m != nil {
				var v int64
				_, err := fmt.Sscan(m[3], &v)
				require.NoError(t, err)
				gotCalls[edge{names[m[1]], names[m[2]]}] = v
				assert.NotContains(t, line, "dotted")
			}
		}
		assert.Len(t, names, len(total))
		assert.Equal(t, calls, gotCalls, text)
	})
}
