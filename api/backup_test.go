package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// oneBackup is a snapshot with one file, x, of ten bytes.
type oneBackup struct{ ended bool }

func (b *oneBackup) Begin(context.Context) (string, uint64, error) { return "id1", 41, nil }
func (b *oneBackup) Renew(id string) error                         { return b.known(id) }
func (b *oneBackup) Manifest(id string) ([]byte, error)            { return []byte("manifest"), b.known(id) }
func (b *oneBackup) End(string) error                              { b.ended = true; return nil }

func (b *oneBackup) known(id string) error {
	if id != "id1" {
		return warehouse.Errorf(warehouse.NotFound, "no backup %s", id)
	}
	return nil
}

func (b *oneBackup) Read(_ context.Context, id, name string, off, n int64) ([]byte, error) {
	if name != "x" {
		return nil, warehouse.Errorf(warehouse.NotFound, "no file %s", name)
	}
	data := []byte("0123456789")
	return data[min(off, 10):min(off+n, 10)], b.known(id)
}

func TestBackup(t *testing.T) {
	t.Parallel()
	b := &oneBackup{}
	s := &Server{backups: b, errors: connect.NewErrorWriter()}
	mux := http.NewServeMux()
	for _, rt := range s.backupRoutes() {
		mux.Handle(rt.path, rt.handler)
	}
	for _, tt := range []struct {
		name, method, path string
		status             int
		body               string
	}{
		{"begin", "POST", "", 200, `{"id":"id1","index":41}`},
		{"manifest", "GET", "/id1/manifest", 200, "manifest"},
		{"no such manifest", "GET", "/id2/manifest", 404, "no backup id2"},
		{"piece", "GET", "/id1/file?name=x&offset=2&bytes=3", 200, "234"},
		{"end of the file", "GET", "/id1/file?name=x&offset=8&bytes=100", 200, "89"},
		{"behind the file", "GET", "/id1/file?name=x&offset=80&bytes=100", 200, ""},
		{"other file", "GET", "/id1/file?name=y&offset=0&bytes=1", 404, "no file y"},
		{"no offset", "GET", "/id1/file?name=x&bytes=1", 400, "offset"},
		{"negative offset", "GET", "/id1/file?name=x&offset=-1&bytes=1", 400, "offset"},
		{"no bytes", "GET", "/id1/file?name=x&offset=0", 400, "bytes"},
		{"too many bytes", "GET", "/id1/file?name=x&offset=0&bytes=99999999", 400, "from 1 to 8388608"},
		{"renew", "POST", "/id1/renew", 204, ""},
		{"renew another", "POST", "/id2/renew", 404, "no backup"},
		{"end", "POST", "/id1/end", 204, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(tt.method, "/api/v1/admin/backup"+tt.path, http.NoBody)
			x := newExchange(w, 0, "request")
			mux.ServeHTTP(x, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
			body, err := io.ReadAll(w.Result().Body)
			require.NoError(t, err)
			text := strings.TrimSpace(string(body))
			if tt.status >= 400 {
				require.Equal(t, tt.status, replyTo(x.err).status)
				require.ErrorContains(t, x.err, tt.body)
				return
			}
			require.Equal(t, tt.status, w.Code)
			if strings.HasPrefix(tt.body, "{") {
				require.True(t, json.Valid(body))
			}
			require.Equal(t, tt.body, text)
		})
	}
	require.True(t, b.ended)
	require.Empty(t, (&Server{}).backupRoutes())
}
