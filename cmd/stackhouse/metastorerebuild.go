package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/rebuild"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

type rebuildCmd struct {
	dataDirFlag     `embed:""`
	DryRun          bool `name:"dry-run" option:"" help:"Say what would be done; change nothing."`
	Force           bool `name:"force" option:"" help:"Move an index that is there aside."`
	WithoutManifest bool `name:"without-manifest" option:"" help:"Take whatever the bucket has if it has no manifest; settings are lost, and what was deleted or retired may be back."`
	AcceptLoss      bool `name:"accept-loss" option:"" help:"Go on without objects that are missing or damaged and that nothing stands for."`
	List            bool `name:"list" option:"" help:"Name every object that was taken or left, and why."`
}

type exportCmd struct {
	dataDirFlag `embed:""`
	File        string `arg:"" help:"The file; there must be none of its name."`
}

type importCmd struct {
	dataDirFlag `embed:""`
	File        string `arg:"" help:"The file."`
}

type guardCmd struct {
	dataDirFlag `embed:""`
	Lift        bool `name:"lift" option:"" help:"Remove objects that nobody knows whenever they were made."`
}

// quietLog is for what components would tell a server's operator.
func (p program) quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// openOffline opens the data directory of a server that is stopped. It makes none,
// but takes one of which the bucket is all that is left.
func openOffline(path string) (*dataDir, *object.Filesystem, error) {
	if _, err := os.Stat(filepath.Join(path, bucketDir)); err != nil {
		return nil, nil, fmt.Errorf("data directory %s: there is no folder %s in it; name the directory with --data-dir", path, bucketDir)
	}
	if _, err := os.Stat(filepath.Join(path, restoring)); err == nil {
		return nil, nil, fmt.Errorf("data directory %s: a restore into it has not ended", path)
	}
	dir, err := openDataDirWith(path, bucketDir, metastoreDir, metastoreDir+".new", cacheDir, tempDir)
	if err != nil {
		return nil, nil, err
	}
	bucket, err := object.NewFilesystem(dir.file(bucketDir))
	if err != nil {
		dir.close()
		return nil, nil, err
	}
	return dir, bucket, nil
}

func (p program) rebuildMetastore(ctx context.Context, c *rebuildCmd) int {
	dir, bucket, err := openOffline(c.DataDir)
	if err != nil {
		return p.fail(exitError, err)
	}
	defer dir.close()
	has, err := metastore.HasState(dir.file(metastoreDir))
	if err != nil {
		return p.fail(exitError, err)
	}
	if has && !c.Force && !c.DryRun {
		return p.fail(exitError, fmt.Errorf("%s has an index: remove it, or add --force, which moves it aside", dir.file(metastoreDir)))
	}
	r, err := rebuild.Run(ctx, rebuild.Options{
		Bucket: bucket, WithoutManifest: c.WithoutManifest, AcceptLoss: c.AcceptLoss, Progress: p.progress(),
	})
	if err == nil {
		p.reportRebuild(&r.Report, c.List)
	}
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound && err != nil:
		return p.fail(exitError, fmt.Errorf("%w; add --without-manifest to take whatever is in it", err))
	case warehouse.KindOf(err) == warehouse.Corrupt && err != nil:
		p.notes("lost", r.Report.Lost)
		return p.fail(exitError, fmt.Errorf("%w; nothing was changed (--accept-loss goes on without them)", err))
	case err != nil:
		return p.fail(exitError, err)
	case c.DryRun:
		fmt.Fprintln(p.stdout, "nothing was changed (--dry-run)")
		return exitOK
	}
	if err := p.install(ctx, dir, bucket, r, has); err != nil {
		return p.fail(exitError, err)
	}
	fmt.Fprintf(p.stdout, "made %s; start the server\n", dir.file(metastoreDir))
	return exitOK
}

// install stores a state that was rebuilt. An index that is there is moved aside.
func (p program) install(ctx context.Context, dir *dataDir, bucket object.Bucket, r *rebuild.Result, has bool) error {
	if err := r.Save(ctx, bucket); err != nil {
		return err
	}
	path, aside := dir.file(metastoreDir), ""
	if has {
		aside = path + ".before-" + time.Now().UTC().Format("20060102T150405.000")
		if err := os.Rename(path, aside); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "moved the index that was there to %s\n", aside)
	}
	err := metastore.Install(path, r.State, r.Report.Guard, p.quietLog())
	if err != nil && aside != "" {
		err = errors.Join(err, os.Rename(aside, path))
	}
	return err
}

func (p program) exportMetastore(c *exportCmd) int {
	dir, _, err := openOffline(c.DataDir)
	if err != nil {
		return p.fail(exitError, err)
	}
	defer dir.close()
	s, err := metastore.ReadState(dir.file(metastoreDir), p.quietLog())
	if err != nil {
		return p.fail(exitError, err)
	}
	data, err := manifest.Encode(s.View(), warehouse.MicrosOf(time.Now()))
	if err == nil {
		err = writeNew(c.File, data)
	}
	if err != nil {
		return p.fail(exitError, err)
	}
	fmt.Fprintf(p.stdout, "wrote %s: %s, %s\n", plainText(c.File), stateText(s), bytesText(int64(len(data))))
	return exitOK
}

// writeNew writes a file that must not be there, whole or not at all.
func writeNew(path string, data []byte) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s is there already", path))
	}
	temp := path + ".tmp"
	if err := writeSynced(temp, string(data)); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// stateText says in a line what a state holds.
func stateText(s *state.State) string {
	v := s.View()
	t := v.Totals()
	return fmt.Sprintf("index %d, %s, %s, %s in %s", v.Index(), plural(len(v.Tenants()), "tenant"), plural(t.Parts, "part"), bytesText(t.Bytes), plural(t.Objects, "object"))
}

func (p program) importMetastore(ctx context.Context, c *importCmd) int {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return p.fail(exitError, err)
	}
	m, err := manifest.Decode(data)
	if err != nil {
		return p.fail(exitError, fmt.Errorf("%s: %w", plainText(c.File), err))
	}
	dir, bucket, err := openOffline(c.DataDir)
	if err != nil {
		return p.fail(exitError, err)
	}
	defer dir.close()
	if err := p.importState(ctx, dir, bucket, m.State); err != nil {
		return p.fail(exitError, err)
	}
	return exitOK
}

func (p program) importState(ctx context.Context, dir *dataDir, bucket object.Bucket, s *state.State) error {
	refs, err := manifest.List(ctx, bucket)
	if err != nil {
		return err
	}
	var beyond uint64
	if len(refs) > 0 {
		beyond = refs[0].Index
	}
	if err := rebuild.Advance(s, beyond); err != nil {
		return err
	}
	diff, err := compareWithBucket(ctx, bucket, s)
	if err != nil {
		return err
	}
	if err := metastore.Install(dir.file(metastoreDir), s, diff.guard, p.quietLog()); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "made %s: %s\n", dir.file(metastoreDir), stateText(s))
	if diff.missing > 0 {
		fmt.Fprintf(p.stdout, "%s of it are not in the bucket: answers over them will fail\n", plural(diff.missing, "file"))
	}
	if diff.unknown > 0 {
		fmt.Fprintf(p.stdout, "%s in the bucket are not in it: they are left alone; \"stackhouse metastore rebuild\" takes those that are newer\n", plural(diff.unknown, "file"))
	}
	return nil
}

// difference is how a bucket differs from what a state knows.
type difference struct {
	missing, unknown int       // files
	guard            time.Time // behind the newest id in the bucket, and now
}

func compareWithBucket(ctx context.Context, bucket object.Bucket, s *state.State) (difference, error) {
	wanted := map[string]bool{}
	s.View().EachPart(func(p *warehouse.Part) {
		for _, name := range block.ObjectNames(p) {
			wanted[name] = true
		}
	})
	d := difference{guard: time.Now()}
	err := bucket.List(ctx, "", func(a object.Attrs) error {
		id, ok := block.ParseName(a.Name)
		if !ok {
			return nil
		}
		if !wanted[a.Name] {
			d.unknown++
		}
		delete(wanted, a.Name)
		if at := time.UnixMilli(int64(id.Time())); at.After(d.guard) {
			d.guard = at
		}
		return nil
	})
	d.missing = len(wanted)
	d.guard = d.guard.Truncate(time.Second).Add(time.Second) // a directory knows seconds
	return d, err
}

func (p program) guardMetastore(c *guardCmd) int {
	dir, _, err := openOffline(c.DataDir)
	if err != nil {
		return p.fail(exitError, err)
	}
	defer dir.close()
	path := dir.file(metastoreDir)
	before, err := metastore.Guard(path)
	if err == nil && c.Lift {
		err = metastore.SetGuard(path, time.Time{})
	}
	switch {
	case err != nil:
		return p.fail(exitError, err)
	case c.Lift:
		fmt.Fprintf(p.stdout, "lifted: objects that the index does not know are removed, also those from before %s\n", before.Format(time.RFC3339))
	case before.IsZero():
		fmt.Fprintln(p.stdout, "no guard: objects that the index does not know are removed, however old")
	default:
		fmt.Fprintf(p.stdout, "objects from before %s that the index does not know are left alone; --lift removes them, too\n", before.Format(time.RFC3339))
	}
	return exitOK
}
