package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLoad: both ways of loading give the same catalogue, as often as wanted, and the
// one for many instances is fast.
func TestLoad(t *testing.T) {
	t.Parallel()
	c, err := New()
	require.NoError(t, err)
	const what = `SELECT count(*), sum(hash(c)) FROM (SELECT (relname, attname, format_type(atttypid, atttypmod)) AS c
		FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid)`
	var answers [][][]string
	for _, from := range []interface {
		Load(context.Context, Execer) error
	}{c, saved(t), saved(t)} {
		i := unattached(t)
		start := time.Now()
		require.NoError(t, from.Load(t.Context(), i))
		t.Log(time.Since(start))
		require.NoError(t, i.Exec(t.Context(), "SET search_path = 'prof.public,pgcat.main'"))
		_, rows, err := i.query(t.Context(), what)
		require.NoError(t, err)
		answers = append(answers, rows)
	}
	require.Equal(t, answers[0], answers[1])
	require.Equal(t, answers[0], answers[2])
}

// TestSaveReplaces: an old file, of whatever version, does not matter.
func TestSaveReplaces(t *testing.T) {
	t.Parallel()
	c, err := New()
	require.NoError(t, err)
	file := t.TempDir() + "/it's.duckdb"
	for range 2 {
		f, err := c.Save(t.Context(), unattached(t), file)
		require.NoError(t, err)
		require.NoError(t, f.Load(t.Context(), unattached(t)))
	}
}

type broken struct{ err error }

func (b broken) Exec(context.Context, string) error { return b.err }

func TestLoadFails(t *testing.T) {
	t.Parallel()
	c, err := New()
	require.NoError(t, err)
	cause := errors.New("no")
	require.ErrorIs(t, c.Load(t.Context(), broken{cause}), cause)
	require.ErrorIs(t, (&File{name: "x"}).Load(t.Context(), broken{cause}), cause)
	_, err = c.Save(t.Context(), broken{cause}, t.TempDir()+"/x")
	require.ErrorIs(t, err, cause)
}

// The catalogue is not the session's, nor the user's, to change.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	require.Error(t, i.Exec(t.Context(), "DELETE FROM pgcat.main.pg_class"))
	require.Error(t, i.Exec(t.Context(), "CREATE TABLE pgcat.main.x (a INTEGER)"))
}

// BenchmarkLoad is what opening a worker costs on top.
//
//	go test -run xxx -bench . ./sql/catalog
func BenchmarkLoad(b *testing.B) {
	f := saved(b)
	for b.Loop() {
		b.StopTimer()
		i := unattached(b)
		b.StartTimer()
		require.NoError(b, f.Load(b.Context(), i))
	}
}

// A statement of psql's \d, 1.4 kB.
func BenchmarkRewrite(b *testing.B) {
	text := ""
	for _, s := range readClients(b) {
		if len(s.text) > len(text) && len(s.text) < 1500 {
			text = s.text
		}
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Rewrite(text)
	}
}
