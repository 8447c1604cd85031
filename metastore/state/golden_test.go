package state

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata holds the byte form of commands and of a snapshot, as "name hex" lines.
// Directories of old builds hold such bytes: a file is never changed once a release
// has written what is in it. A new version of a form gets a file of its own.
func readForms(t *testing.T, file string) map[string]string {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	forms := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, digits, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, line)
		forms[name] = digits
	}
	return forms
}

// checkForms compares what is stored with what this build writes, and reads it.
func checkForms(t *testing.T, forms map[string]string, v *View, cmds ...Command) {
	require.Len(t, forms, len(cmds)+1)
	for _, c := range cmds {
		name := c.Kind().String()
		require.Equal(t, forms[name], hex.EncodeToString(Append(nil, start, c)), name)
		data, err := hex.DecodeString(forms[name])
		require.NoError(t, err)
		at, cmd, err := Decode(data)
		require.NoError(t, err)
		require.Equal(t, start, at)
		require.Equal(t, c, cmd)
	}
	data, err := hex.DecodeString(forms["snapshot"])
	require.NoError(t, err)
	s, err := Read(strings.NewReader(string(data)))
	require.NoError(t, err)
	require.Equal(t, v.Digest(), s.View().Digest())
}

// forgetMasks takes from a state what older versions did not have.
func forgetMasks(s *State) *View {
	for _, t := range s.draft.tenants {
		for _, h := range t.hours {
			for _, p := range h.parts {
				p.Masked = 0
			}
		}
	}
	for _, j := range s.draft.jobs {
		j.Masked = 0
	}
	s.draft.remnants = nil
	return s.View()
}

func TestFormsOfVersion1(t *testing.T) {
	t.Parallel()
	cmds := append(examples()[:3:3],
		SetTenant{Tenant: "acme", Settings: []Setting{{"a", "1"}}}, SetRetention{Tenant: "acme", Retention: 5}, Expire{}, ForgetTombstones{Objects: ids(1, 2)})
	checkForms(t, readForms(t, "testdata/v1.txt"), forgetMasks(fullMachine(t).state), cmds...)
}

// Version 2 came with jobs and fences.
func TestFormsOfVersion2(t *testing.T) {
	t.Parallel()
	var cmds []Command
	seen := map[Kind]bool{}
	for _, c := range examples() {
		if k := c.Kind(); k > KindForgetTombstones && k <= KindFenceObjects && !seen[k] {
			cmds = append(cmds, c)
			seen[k] = true
		}
	}
	require.Len(t, cmds, int(KindFenceObjects-KindForgetTombstones))
	checkForms(t, readForms(t, "testdata/v2.txt"), forgetMasks(machineWithJobs(t).state), cmds...)
}

// Version 3 came with deletions and rules of retention.
func TestFormsOfVersion3(t *testing.T) {
	t.Parallel()
	var cmds []Command
	seen := map[Kind]bool{}
	for _, c := range examples() {
		if k := c.Kind(); k > KindFenceObjects && !seen[k] {
			cmds = append(cmds, c)
			seen[k] = true
		}
	}
	v := machineWithDeletions(t).state.View()
	forms := readForms(t, "testdata/v3.txt")
	checkForms(t, forms, v, cmds...)
	require.Equal(t, forms["snapshot"], hex.EncodeToString(snapshotBytes(t, v)))
}
