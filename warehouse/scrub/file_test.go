package scrub

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func someContents() *contents {
	at := time.Unix(1_795_000_000, 0).UTC()
	f := Finding{
		Part: warehouse.Part{Object: warehouse.ObjectID{1}, Level: 3, Tenant: "acme", Hour: 490000}, Table: warehouse.TableSamples, At: at,
		Damage: warehouse.Damage{Object: "blocks/acme/x", What: "samples of acme", Offset: 4, Size: 9, Expected: "9 bytes", Found: "8 bytes"},
	}
	return &contents{lastPass: at, verified: map[warehouse.ObjectID]time.Time{{1}: at, {2}: at.Add(time.Hour)}, findings: []Finding{f}}
}

// TestGoldenFile: the bytes of version 1, for ever.
func TestGoldenFile(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join("testdata", "register-v1.hex"))
	require.NoError(t, err)
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(want)), ""))
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(data), hex.EncodeToString(encodeContents(someContents())))
	got, err := decodeContents(data)
	require.NoError(t, err)
	require.Equal(t, someContents(), got)
}

// TestDamagedFile: whatever happens to the file, objects are verified again and the
// log says so.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	good := encodeContents(someContents())
	newer := bytes.Clone(good)
	newer[4] = 2
	path := filepath.Join(t.TempDir(), "SCRUB")
	for what, data := range map[string][]byte{
		"empty": {}, "cut": good[:len(good)-1], "flipped": append([]byte{good[0] ^ 1}, good[1:]...), "newer": newer, "longer": append(bytes.Clone(good), 0),
	} {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		var log strings.Builder
		r := OpenRegister(RegisterOptions{Path: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.True(t, r.VerifiedAt(warehouse.ObjectID{1}).IsZero(), what)
		require.Contains(t, log.String(), "all are verified again", what)
	}
	require.NoError(t, os.WriteFile(path, good, 0o600))
	r := OpenRegister(RegisterOptions{Path: path})
	require.Equal(t, someContents().lastPass, r.LastPass())
	require.True(t, r.IsDamaged(warehouse.ObjectID{1}))
	early := OpenRegister(RegisterOptions{Path: path, Clock: func() time.Time { return time.Unix(1_795_000_001, 0) }})
	require.True(t, early.VerifiedAt(warehouse.ObjectID{2}).IsZero(), "a time that is yet to come")
	require.False(t, early.VerifiedAt(warehouse.ObjectID{1}).IsZero())
}

func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "SCRUB")
	r := OpenRegister(RegisterOptions{Path: path})
	require.NoError(t, r.Save(true))
	require.NoFileExists(t, path, "nothing to say")
	r.verified(warehouse.ObjectID{1}, time.Now(), nil)
	require.NoError(t, r.Save(true))
	require.FileExists(t, path)
	require.NoError(t, os.Remove(path))
	require.NoError(t, r.Save(true))
	require.NoFileExists(t, path, "nothing new")
	r.verified(warehouse.ObjectID{1}, time.Now(), nil)
	require.NoError(t, os.Mkdir(path+".new", 0o700))
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(r.Save(true)))
	require.NoError(t, os.Remove(path+".new"))
	require.NoError(t, r.Save(false), "what was not saved is saved the next time")
	require.FileExists(t, path)
}

func FuzzRegisterFile(f *testing.F) {
	f.Add(encodeContents(someContents()))
	f.Add(encodeContents(&contents{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeContents(data)
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			return
		}
		again, err := decodeContents(encodeContents(c))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
