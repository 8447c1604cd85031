package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// blockCmd holds the commands that look into stored blocks. They read only, and may
// run beside a server; which blocks are live is known only if none runs.
type blockCmd struct {
	Ls    blockLsCmd    `cmd:"" help:"List the blocks of a data directory or bucket."`
	Show  blockShowCmd  `cmd:"" help:"Show what a block holds and how its tables are stored."`
	Dump  blockDumpCmd  `cmd:"" help:"Print the rows of a block's table as JSON lines or CSV."`
	Check blockCheckCmd `cmd:"" help:"Verify blocks down to every row; exit status 1 if something is wrong."`
}

// block runs one of the commands.
func (p program) block(ctx context.Context, name string, cmd *blockCmd) int {
	command, _, _ := strings.Cut(name, " ")
	switch command {
	case "ls":
		return p.listBlocks(ctx, &cmd.Ls)
	case "show":
		return p.showBlocks(ctx, &cmd.Show)
	case "dump":
		return p.dumpBlock(ctx, &cmd.Dump)
	case "check":
		return p.checkBlocks(ctx, &cmd.Check)
	}
	return p.fail(exitUsage, fmt.Errorf("no command block %s", name))
}

// storedBlock is a block as it was found in a bucket.
type storedBlock struct {
	bucket  object.ReadOnly
	dir     string // in the bucket
	entries []block.Entry
	bytes   int64 // of all files
	part    *warehouse.Part
	sources []warehouse.ObjectID
	err     error // of meta.json
}

// id returns the block's id, by its folder if meta.json cannot be read.
func (b *storedBlock) id() string { return path.Base(b.dir) }

// table reads a table's file.
func (b *storedBlock) table(ctx context.Context, t warehouse.Table) ([]byte, error) {
	return b.bucket.Read(ctx, path.Join(b.dir, block.TableName(t)), 0, -1)
}

// eachBlock calls fn with every block below a folder of a bucket, in order of names.
func eachBlock(ctx context.Context, bucket object.ReadOnly, folder string, fn func(*storedBlock) error) error {
	var open *storedBlock
	flush := func() error {
		if open == nil {
			return nil
		}
		b := open
		open = nil
		if err := b.readMeta(ctx); err != nil {
			return err
		}
		if len(b.entries) == 0 {
			return nil
		}
		return fn(b)
	}
	err := bucket.List(ctx, folder, func(a object.Attrs) error {
		dir, name := path.Split(a.Name)
		dir = strings.TrimSuffix(dir, "/")
		if open == nil || open.dir != dir {
			if err := flush(); err != nil {
				return err
			}
			open = &storedBlock{bucket: bucket, dir: dir}
		}
		open.entries = append(open.entries, block.Entry{Name: name, Size: a.Size})
		open.bytes += a.Size
		return nil
	})
	return errors.Join(err, flush())
}

// readMeta reads meta.json. That it is damaged is noted; only what the bucket does
// wrong is an error. A block that was deleted meanwhile has no entries afterwards.
func (b *storedBlock) readMeta(ctx context.Context) error {
	data, err := b.bucket.Read(ctx, path.Join(b.dir, block.MetaName), 0, -1)
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound:
		if b.err = err; b.isGone(ctx) {
			b.entries = nil
		}
		return nil
	case err != nil:
		return err
	}
	b.part, b.sources, b.err = block.DecodeMeta(data)
	return nil
}

// isGone reports whether none of the block's files is there any more.
func (b *storedBlock) isGone(ctx context.Context) bool {
	for _, e := range b.entries {
		if _, err := b.bucket.Stat(ctx, path.Join(b.dir, e.Name)); warehouse.KindOf(err) != warehouse.NotFound {
			return false
		}
	}
	return true
}

// findBlock returns the block that an argument names: its id, its folder's name in
// the bucket, or the path of its folder.
func findBlock(ctx context.Context, flags *storeFlags, arg string) (*storedBlock, error) {
	if _, err := ulid.ParseStrict(arg); err != nil {
		if _, statErr := os.Stat(arg); statErr == nil {
			return blockAt(ctx, arg)
		}
		if !strings.HasPrefix(arg, block.BlockPrefix) {
			return nil, fmt.Errorf("%s is no block's id, and no folder", plainText(arg))
		}
	}
	s, err := flags.open()
	if err != nil {
		return nil, err
	}
	arg = strings.TrimSuffix(arg, "/")
	var found *storedBlock
	err = eachBlock(ctx, s.bucket, block.BlockPrefix, func(b *storedBlock) error {
		if b.id() == path.Base(arg) && (b.dir == arg || b.id() == arg) {
			found = b
		}
		return nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("no block %s in %s", plainText(arg), plainText(s.root))
	}
	return found, err
}

// blockAt returns the block in a folder on disk.
func blockAt(ctx context.Context, dir string) (*storedBlock, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	slashed := filepath.ToSlash(abs)
	root, name := path.Split(slashed)
	if at := strings.LastIndex(slashed, "/"+block.BlockPrefix); at >= 0 {
		root, name = slashed[:at], slashed[at+1:]
	}
	bucket, err := object.OpenReadOnly(filepath.FromSlash(root))
	if err != nil {
		return nil, err
	}
	var found *storedBlock
	err = eachBlock(ctx, bucket, name, func(b *storedBlock) error {
		if b.dir == name {
			found = b
		}
		return nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("%s holds no block", plainText(dir))
	}
	return found, err
}

// What an index says of an object.
const (
	isLive   = "live"
	isDead   = "dead"   // to be deleted
	isOrphan = "orphan" // the index does not know it
	isUnsure = "?"      // there is no index, or a server uses it
)

// knownObjects is what an index says of objects. The zero value knows nothing.
type knownObjects struct {
	offline *metastore.Offline
	live    map[warehouse.ObjectID]bool
	dead    map[warehouse.ObjectID]bool
}

// known reads the index of the data directory, if there is one and no server uses
// it; else it says on standard error what is not known.
func (p program) known(ctx context.Context, s *store) (knownObjects, error) {
	if s.dataDir == "" {
		return knownObjects{}, nil
	}
	o, err := inspectMetastore(ctx, s.dataDir)
	switch {
	case warehouse.KindOf(err) == warehouse.Unavailable, warehouse.KindOf(err) == warehouse.NotFound:
		fmt.Fprintf(p.stderr, "stackhouse: what is live is not known: %s\n", err)
		return knownObjects{}, nil
	case err != nil:
		return knownObjects{}, err
	case o.View == nil:
		fmt.Fprintf(p.stderr, "stackhouse: what is live is not known: the index is damaged, see \"stackhouse metastore check\"\n")
		return knownObjects{}, nil
	}
	k := knownObjects{offline: o, live: map[warehouse.ObjectID]bool{}, dead: map[warehouse.ObjectID]bool{}}
	eachPart(o.View.Describe(), &filterFlags{}, func(part *warehouse.Part) { k.live[part.Object] = true })
	for _, t := range o.View.Tombstones() {
		k.dead[t.Part.Object] = true
	}
	return k, nil
}

// of returns what is known of an object.
func (k knownObjects) of(id warehouse.ObjectID) string {
	switch {
	case k.offline == nil:
		return isUnsure
	case k.live[id]:
		return isLive
	case k.dead[id]:
		return isDead
	}
	return isOrphan
}
