package sqltest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOracle holds plain addition against sums done by hand.
func TestOracle(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`-- profiles --
service=a pod=x type=cpu:cpu:ns:cpu:ns
t=0   1  main;f;f
t=0   2  main;f;f
t=0   4  main
t=0   0  main;g
t=60  8  main;g
service=b type=cpu:cpu:ns:cpu:ns
t=30 16  main;f
service=b pod=y type=mem:space:bytes:space:bytes
t=0  32  main
-- sql --
unused
-- want --
`))
	require.NoError(t, err)
	o := NewOracle(s.Profiles)
	for question, want := range map[string]string{
		`total cpu:cpu:ns:cpu:ns{} 0 60`:                             "31\n",
		`total cpu:cpu:ns:cpu:ns{} 0 59`:                             "23\n",
		`total cpu:cpu:ns:cpu:ns{} 1 29`:                             "0\n",
		`total cpu:cpu:ns:cpu:ns{pod=""} 0 60`:                       "16\n",
		`total cpu:cpu:ns:cpu:ns{pod!="x"} 0 60`:                     "16\n",
		`total cpu:cpu:ns:cpu:ns{pod=~"x|y",service_name!~"b"} 0 60`: "15\n",
		`total cpu:cpu:ns:cpu:ns{service_name="."} 0 60`:             "0\n",
		`total mem:space:bytes:space:bytes{} 0 60`:                   "32\n",
		`top cpu:cpu:ns:cpu:ns{service_name="a"} 0 60`:               "g\t8\nmain\t4\nf\t3\n",
		`series cpu:cpu:ns:cpu:ns{} 0 60 30`:                         "\t0\t7\n\t30\t16\n\t60\t8\n",
		`series cpu:cpu:ns:cpu:ns{} 0 60 60 pod`:                     "\t60\t16\npod=x\t0\t7\npod=x\t60\t8\n",
		`series cpu:cpu:ns:cpu:ns{} 29 59 15`:                        "\t44\t16\n",
		`profile-types`:                                              "cpu:cpu:ns:cpu:ns\nmem:space:bytes:space:bytes\n",
		`label-values pod`:                                           "x\ny\n",
		`label-values nothing`:                                       "",
	} {
		a, can, err := o.Ask(t.Context(), &Question{Kind: API, Text: question})
		require.NoError(t, err, question)
		require.True(t, can)
		assert.Equal(t, want, a.String(), question)
	}
	for _, question := range []string{
		"nothing a b c", "total", "total cpu 0 1", "total cpu{} x 1", "total cpu{} 0 x", `total cpu{a=~"("} 0 1`,
		"series cpu:cpu:ns:cpu:ns{} 0 1", "series cpu:cpu:ns:cpu:ns{} 0 1 0", "series cpu:cpu:ns:cpu:ns{} 0 1 x",
	} {
		_, _, err := o.Ask(t.Context(), &Question{Kind: API, Text: question})
		require.Error(t, err, question)
	}
	_, can, err := o.Ask(t.Context(), &Question{Kind: SQL, Text: "select 1"})
	require.NoError(t, err)
	require.False(t, can)
}

func TestGraph(t *testing.T) {
	t.Parallel()
	root := graph([]Sample{
		{Stack: []string{"main", "f"}, Value: 1}, {Stack: []string{"main", "f", "f"}, Value: 2}, {Stack: []string{"a"}, Value: 4}, {Stack: []string{"main"}, Value: 8},
	})
	next := 0
	require.Equal(t, []string{
		"1, NULL, 0, 'total', 0, 15",
		"2, 1, 1, 'a', 4, 4",
		"3, 1, 1, 'main', 8, 11",
		"4, 3, 2, 'f', 1, 3",
		"5, 4, 3, 'f', 2, 2",
	}, root.rows(nil, "NULL", 0, &next))
}
