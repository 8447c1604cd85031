package state

import (
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testdata/v1.txt holds the byte form of commands and of a snapshot, as "name
// hex" lines. Directories of old builds hold such bytes: the file is never
// changed. A new version of a form gets a file of its own.
func TestFormsOfVersion1(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/v1.txt")
	require.NoError(t, err)
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, digits, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, line)
		want[name] = digits
	}
	v := fullMachine(t).state.View() // without jobs
	got := map[string]string{"snapshot": hex.EncodeToString(snapshotBytes(t, v))}
	for _, c := range examples()[:3] {
		got[c.Kind().String()] = hex.EncodeToString(Append(nil, start, c))
	}
	for _, c := range []Command{SetTenant{Tenant: "acme", Settings: []Setting{{"a", "1"}}}, SetRetention{Tenant: "acme", Retention: 5}, Expire{}, ForgetTombstones{Objects: ids(1, 2)}} {
		got[c.Kind().String()] = hex.EncodeToString(Append(nil, start, c))
	}
	assert.Equal(t, want, got)
	require.Len(t, got, int(KindForgetTombstones)+1)

	for name, digits := range want {
		data, err := hex.DecodeString(digits)
		require.NoError(t, err)
		if name == "snapshot" {
			s, err := Read(strings.NewReader(string(data)))
			require.NoError(t, err)
			assert.Equal(t, v.Digest(), s.View().Digest())
			continue
		}
		_, cmd, err := Decode(data)
		require.NoError(t, err)
		assert.Equal(t, name, cmd.Kind().String())
	}
}

// testdata/v2.txt holds what came with jobs: their commands, and a snapshot of a
// state that has some. It is never changed either.
func TestFormsOfVersion2(t *testing.T) {
	t.Parallel()
	v := machineWithJobs(t).state.View()
	got := map[string]string{"snapshot": hex.EncodeToString(snapshotBytes(t, v))}
	for _, c := range examples() {
		if name := c.Kind().String(); c.Kind() > KindForgetTombstones && got[name] == "" {
			got[name] = hex.EncodeToString(Append(nil, start, c))
		}
	}
	require.Len(t, got, len(Kinds)-int(KindForgetTombstones)+1)
	text, err := os.ReadFile("testdata/v2.txt")
	require.NoError(t, err)
	lines := []string{}
	for name, digits := range got {
		lines = append(lines, name+" "+digits)
	}
	slices.Sort(lines)
	require.Equal(t, string(text), strings.Join(lines, "\n")+"\n")

	data, err := hex.DecodeString(got["snapshot"])
	require.NoError(t, err)
	s, err := Read(strings.NewReader(string(data)))
	require.NoError(t, err)
	require.Equal(t, v.Digest(), s.View().Digest())
	require.Equal(t, v.Jobs(), s.View().Jobs())
}
