package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/backup"
	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/rebuild"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// checkTarget refuses a directory in which something is stored. It changes nothing.
func checkTarget(path string) error {
	if _, err := os.Stat(filepath.Join(path, restoring)); err == nil {
		return nil // to be gone on with, see restoreInto
	}
	has, err := metastore.HasState(filepath.Join(path, metastoreDir))
	if err != nil {
		return err
	}
	objects, err := hasFiles(filepath.Join(path, bucketDir))
	if err != nil {
		return err
	}
	if has || objects {
		return fmt.Errorf("data directory %s is in use or holds data: a backup is restored into an empty one only", path)
	}
	return nil
}

// errFound ends a search.
var errFound = errors.New("found")

// hasFiles reports whether there is a file at any depth.
func hasFiles(path string) (bool, error) {
	err := filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !e.IsDir():
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}

// restoreInto copies a backup that was verified into an empty data directory. The
// file RESTORING is there until all is done: no server starts on a part of it.
func (p program) restoreInto(ctx context.Context, path string, from object.Bucket, v *backup.Verified) error {
	dir, err := openDataDirWith(path, restoring)
	if err != nil {
		return err
	}
	defer dir.close()
	if err := markRestoring(dir, v); err != nil {
		return err
	}
	bucket, err := object.NewFilesystem(dir.file(bucketDir))
	if err != nil {
		return err
	}
	if err := v.CopyTo(ctx, from, bucket, backup.Options{Progress: p.copyProgress("restored")}); err != nil {
		return fmt.Errorf("%w; run it again to go on", err)
	}
	s := v.Manifest.State
	if err := rebuild.Advance(s, 0); err != nil {
		return err
	}
	diff, err := compareWithBucket(ctx, bucket, s)
	if err != nil {
		return err
	}
	if diff.missing+diff.unknown > 0 {
		return fmt.Errorf("data directory %s: after the copy %d files are missing and %d are not of the backup", path, diff.missing, diff.unknown)
	}
	if _, err := manifest.Write(ctx, bucket, s.View(), warehouse.MicrosOf(time.Now())); err != nil {
		return err
	}
	if err := p.installRestored(dir, v, diff.guard); err != nil {
		return err
	}
	return dir.wrap(errors.Join(os.Remove(dir.file(restoring)), syncDir(dir.path)))
}

// installRestored makes the metastore, in place of one of an attempt that was
// interrupted behind this step.
func (p program) installRestored(dir *dataDir, v *backup.Verified, guard time.Time) error {
	path := dir.file(metastoreDir)
	if err := os.RemoveAll(path); err != nil {
		return dir.wrap(err)
	}
	return metastore.Install(path, v.Manifest.State, guard, p.quietLog())
}

// markRestoring says which backup is being restored, or finds that it is the same.
func markRestoring(dir *dataDir, v *backup.Verified) error {
	text := fmt.Sprintf("restore of a backup of index %d, %s\n", v.Index, v.At)
	old, err := os.ReadFile(dir.file(restoring))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := checkTarget(dir.path); err != nil { // it may have been filled meanwhile
			return err
		}
		return dir.wrap(errors.Join(writeSynced(dir.file(restoring), text), syncDir(dir.path)))
	case err != nil:
		return dir.wrap(err)
	case string(old) != text:
		return fmt.Errorf("data directory %s: another restore into it has not ended; remove the directory", dir.path)
	}
	return nil
}
