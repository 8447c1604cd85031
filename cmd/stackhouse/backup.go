package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/backup"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// backupCmd copies what a running server has.
type backupCmd struct {
	To       string `name:"to" option:"" required:"" placeholder:"DIR" help:"Where the backup goes: a directory. What it has of an earlier backup is not copied again."`
	Addr     string `name:"addr" option:"" default:"http://127.0.0.1:4040" placeholder:"URL" help:"The server (default ${default})."`
	Parallel int    `name:"parallel" option:"" default:"4" placeholder:"N" help:"Files copied at a time (default ${default})."`
}

// holdBackup returns how a backup holds a snapshot of the metastore.
func holdBackup(m *metastore.Metastore) func(ctx context.Context, lease time.Duration) (backup.Pin, error) {
	return func(ctx context.Context, lease time.Duration) (backup.Pin, error) {
		s, err := m.Hold(ctx, lease)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// openPlace opens the directory of a backup; must says that it is there.
func openPlace(place string, must bool) (object.Bucket, error) {
	path, isFile := strings.CutPrefix(place, "file://")
	if scheme, _, found := strings.Cut(place, "://"); found && !isFile {
		return nil, fmt.Errorf("%s: this version keeps backups in directories only, not at %s://", plainText(place), scheme)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("%s is no directory", plainText(place))
	case err != nil && (must || !errors.Is(err, os.ErrNotExist)):
		return nil, err
	}
	return object.NewFilesystem(path)
}

// checkPlace refuses a directory that holds something else.
func checkPlace(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil //nolint:nilerr // it is made, or opening it says what is wrong
	}
	for _, e := range entries {
		switch e.Name() {
		case backup.ListName, "segments", "blocks", "meta", ".tmp", "lost+found":
		default:
			return fmt.Errorf("%s holds %q, which no backup has: choose an empty directory", plainText(path), e.Name())
		}
	}
	return nil
}

func (p program) backUp(ctx context.Context, c *backupCmd) int {
	if c.Parallel < 1 || c.Parallel > 64 {
		return p.fail(exitUsage, fmt.Errorf("parallel: %d is not from 1 to 64", c.Parallel))
	}
	if err := checkPlace(strings.TrimPrefix(c.To, "file://")); err != nil {
		return p.fail(exitError, err)
	}
	to, err := openPlace(c.To, false)
	if err != nil {
		return p.fail(exitError, err)
	}
	began := time.Now()
	from, err := beginBackup(ctx, c.Addr)
	if err != nil {
		return p.fail(exitError, err)
	}
	defer from.end(ctx)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go from.keep(ctx) // ends with ctx
	fmt.Fprintf(p.stderr, "stackhouse: backup of index %d to %s\n", from.Index, plainText(c.To))
	r, err := backup.Copy(ctx, from, to, backup.Options{Parallel: c.Parallel, Progress: p.copyProgress("copied")})
	if err != nil {
		return p.fail(exitError, fmt.Errorf("backup: %w; run it again to go on", err))
	}
	fmt.Fprintf(p.stdout, "backup of index %d, %s\n", r.Index, r.At)
	fmt.Fprintf(p.stdout, "copied  %s, %s\n", plural(r.Progress.Files-r.Kept, "file"), bytesText(r.Progress.Bytes-r.KeptBytes))
	fmt.Fprintf(p.stdout, "kept    %s, %s, which were there already\n", plural(r.Kept, "file"), bytesText(r.KeptBytes))
	fmt.Fprintf(p.stdout, "removed %s of an earlier backup\n", plural(r.Pruned, "file"))
	fmt.Fprintf(p.stdout, "took    %s\n", time.Since(began).Round(time.Millisecond))
	return exitOK
}

// copyProgress returns what tells on standard error how far a copy is.
func (p program) copyProgress(verb string) func(backup.Progress) {
	last := time.Now()
	return func(now backup.Progress) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		fmt.Fprintf(p.stderr, "stackhouse: %s %d of %s, %s of %s\n", verb, now.Files, plural(now.AllFiles, "file"), bytesText(now.Bytes), bytesText(now.AllBytes))
	}
}

// backupClient reads a snapshot of a running server.
type backupClient struct {
	base  string // of its URLs
	http  *http.Client
	ID    string `json:"id"`
	Index uint64 `json:"index"`
}

const adminBackup = "/api/v1/admin/backup"

// beginBackup holds a snapshot of a server.
func beginBackup(ctx context.Context, addr string) (*backupClient, error) {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("addr: %q is no address of a server: want one such as http://127.0.0.1:4040", addr)
	}
	b := &backupClient{base: strings.TrimSuffix(addr, "/") + adminBackup, http: &http.Client{}}
	data, err := b.do(ctx, http.MethodPost, "")
	if err == nil {
		err = json.Unmarshal(data, b)
	}
	if err != nil {
		return nil, fmt.Errorf("begin backup at %s: %w", addr, err)
	}
	b.base += "/" + b.ID
	return b, nil
}

// do sends a request and returns the answer's body.
func (b *backupClient) do(ctx context.Context, method, rest string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.base+rest, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("the server says %s: %s", res.Status, strings.TrimSpace(string(data[:min(len(data), 500)])))
	}
	return data, nil
}

// keep renews the snapshot until ctx is done.
func (b *backupClient) keep(ctx context.Context) {
	tick := time.NewTicker(backup.Lease / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = b.do(ctx, http.MethodPost, "/renew") // the next read meets what is wrong
		}
	}
}

// end gives the snapshot back, also when ctx is done.
func (b *backupClient) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = b.do(ctx, http.MethodPost, "/end") // the lease ends by itself
}

// Manifest implements backup.Source.
func (b *backupClient) Manifest(ctx context.Context) ([]byte, error) {
	return b.do(ctx, http.MethodGet, "/manifest")
}

// readAtOnce is how much of a file one request asks for.
const readAtOnce = 4 << 20

// Read implements backup.Source.
func (b *backupClient) Read(ctx context.Context, name string) (all []byte, _ error) {
	for {
		q := url.Values{"name": {name}, "offset": {strconv.Itoa(len(all))}, "bytes": {strconv.Itoa(readAtOnce)}}
		data, err := b.do(ctx, http.MethodGet, "/file?"+q.Encode())
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, data...)
		if len(data) < readAtOnce {
			return all, nil
		}
	}
}

// restoreCmd makes a data directory of a backup.
type restoreCmd struct {
	dataDirFlag `embed:""`
	From        string `name:"from" option:"" required:"" placeholder:"DIR" help:"The backup: a directory."`
	Check       bool   `name:"check" option:"" help:"Verify the backup; restore nothing."`
}

func (p program) restore(ctx context.Context, c *restoreCmd) int {
	if !c.Check {
		if err := checkTarget(c.DataDir); err != nil {
			return p.fail(exitError, err)
		}
	}
	from, err := openPlace(c.From, true)
	if err != nil {
		return p.fail(exitError, err)
	}
	began := time.Now()
	v, damaged, err := backup.Verify(ctx, from, backup.Options{Progress: p.copyProgress("verified")})
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound && err != nil:
		return p.fail(exitError, fmt.Errorf("%s is no backup: it has no file %s", plainText(c.From), backup.ListName))
	case err != nil:
		return p.fail(exitError, fmt.Errorf("%s: %w; nothing was restored", plainText(c.From), err))
	case len(damaged) > 0:
		for _, text := range damaged {
			fmt.Fprintf(p.stdout, "damaged %s\n", text)
		}
		return p.fail(exitError, fmt.Errorf("%s: %s; nothing was restored", plainText(c.From), plural(len(damaged), "fault")))
	}
	fmt.Fprintf(p.stdout, "verified %s, %s: index %d, %s\n", plural(len(v.Files), "file"), bytesText(v.Bytes()), v.Index, v.At)
	if c.Check {
		return exitOK
	}
	if err := p.restoreInto(ctx, c.DataDir, from, v); err != nil {
		return p.fail(exitError, err)
	}
	fmt.Fprintf(p.stdout, "restored to %s in %s; start the server with --data-dir %s\n", filepath.Clean(c.DataDir), time.Since(began).Round(time.Millisecond), filepath.Clean(c.DataDir))
	return exitOK
}
