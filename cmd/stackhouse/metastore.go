package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/stackhouse-db/stackhouse/metastore"
)

// metastoreCmd holds the commands about the index of a data directory. Their server
// must not run: it alone may open the log. Those that change it are in
// metastorerebuild.go.
type metastoreCmd struct {
	Dump    metastoreDumpCmd  `cmd:"" help:"Show what the index of a data directory holds, as text or JSON. The server must be stopped."`
	Check   metastoreCheckCmd `cmd:"" help:"Verify log, snapshots and index of a data directory, and that live objects are there; exit status 1 if something is wrong. The server must be stopped."`
	Rebuild rebuildCmd        `cmd:"" help:"Make the index from the bucket: the newest manifest and what is newer."`
	Export  exportCmd         `cmd:"" help:"Write the index to a file."`
	Import  importCmd         `cmd:"" help:"Make the index from a file that export has written."`
	Guard   guardCmd          `cmd:"" help:"Show from when on objects that nobody knows are removed, or change it."`
}

// metastore runs one of the commands.
func (p program) metastore(ctx context.Context, name string, cmd *metastoreCmd) int {
	switch name {
	case "dump":
		return p.dumpMetastore(ctx, &cmd.Dump)
	case "check":
		return p.checkMetastore(ctx, &cmd.Check)
	case "rebuild":
		return p.rebuildMetastore(ctx, &cmd.Rebuild)
	case "export":
		return p.exportMetastore(&cmd.Export)
	case "import":
		return p.importMetastore(ctx, &cmd.Import)
	case "guard":
		return p.guardMetastore(&cmd.Guard)
	}
	return p.fail(exitUsage, fmt.Errorf("no command metastore %s", name))
}

// inspectMetastore reads the index of a data directory that no server uses.
func inspectMetastore(ctx context.Context, dir string) (*metastore.Offline, error) {
	if err := readDataDir(dir); err != nil {
		return nil, err
	}
	return metastore.Inspect(ctx, filepath.Join(dir, metastoreDir))
}
