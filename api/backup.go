package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Backups is what a backup needs of the server: a snapshot that stays while a client
// copies it, under an id. A client that is silent for the lease loses it.
type Backups interface {
	// Begin holds the newest snapshot and returns its id and log index.
	Begin(ctx context.Context) (id string, index uint64, err error)
	// Renew says that the client is still there, as every other call does.
	Renew(id string) error
	// Manifest returns the byte form of the snapshot's index.
	Manifest(id string) ([]byte, error)
	// Read returns n bytes of a file of the snapshot, fewer where it ends.
	Read(ctx context.Context, id, name string, off, n int64) ([]byte, error)
	// End gives the snapshot back.
	End(id string) error
}

// backupRoutes are those of a server that can be backed up.
func (s *Server) backupRoutes() []route {
	if s.backups == nil {
		return nil
	}
	return []route{
		{path: "/api/v1/admin/backup", methods: post, handler: s.endpoint(s.beginBackup)},
		{path: "/api/v1/admin/backup/{id}/manifest", methods: get, handler: s.endpoint(s.backupManifest)},
		{path: "/api/v1/admin/backup/{id}/file", methods: get, handler: s.endpoint(s.backupFile)},
		{path: "/api/v1/admin/backup/{id}/renew", methods: post, handler: s.endpoint(s.renewBackup)},
		{path: "/api/v1/admin/backup/{id}/end", methods: post, handler: s.endpoint(s.endBackup)},
	}
}

// maxBackupRead is the most that one request reads of a file.
const maxBackupRead = 8 << 20

// beginBackup answers with the id of a snapshot that is held from now on.
func (s *Server) beginBackup(x *exchange, r *http.Request) error {
	id, index, err := s.backups.Begin(r.Context())
	if err != nil {
		return err
	}
	x.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(x).Encode(map[string]any{"id": id, "index": index})
}

// renewBackup keeps a snapshot for another lease.
func (s *Server) renewBackup(x *exchange, r *http.Request) error {
	if err := s.backups.Renew(r.PathValue("id")); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

// endBackup gives a snapshot back.
func (s *Server) endBackup(x *exchange, r *http.Request) error {
	if err := s.backups.End(r.PathValue("id")); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

// backupManifest answers with the snapshot's index.
func (s *Server) backupManifest(x *exchange, r *http.Request) error {
	data, err := s.backups.Manifest(r.PathValue("id"))
	if err != nil {
		return err
	}
	return sendBytes(x, data)
}

// backupFile answers with a piece of a file of the snapshot.
func (s *Server) backupFile(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	off, err1 := strconv.ParseInt(q.Get("offset"), 10, 64)
	n, err2 := strconv.ParseInt(q.Get("bytes"), 10, 64)
	switch {
	case err1 != nil || off < 0:
		return warehouse.Errorf(warehouse.Invalid, "offset %.40q is no number of bytes", q.Get("offset"))
	case err2 != nil || n < 1 || n > maxBackupRead:
		return warehouse.Errorf(warehouse.Invalid, "bytes %.40q is not a number from 1 to %d", q.Get("bytes"), maxBackupRead)
	}
	data, err := s.backups.Read(r.Context(), r.PathValue("id"), q.Get("name"), off, n)
	if err != nil {
		return err
	}
	return sendBytes(x, data)
}

func sendBytes(x *exchange, data []byte) error {
	x.Header().Set("Content-Type", "application/octet-stream")
	x.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = x.Write(data) // the client is gone, or it is not
	return nil
}
