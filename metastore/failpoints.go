package metastore

import "github.com/stackhouse-db/stackhouse/warehouse/failpoint"

// Failpoints of the metastore.
var (
	beforeAppend   = failpoint.Declare("metastore.append.before", "commands are about to be written to the log")
	afterAppend    = failpoint.Declare("metastore.append.after", "commands are in the log and synced; nobody was answered")
	beforeSnapshot = failpoint.Declare("metastore.snapshot.before", "a snapshot of the state is about to be written")
	afterSnapshot  = failpoint.Declare("metastore.snapshot.after", "a snapshot of the state is written and not published")
	beforeDelete   = failpoint.Declare("metastore.delete.before", "an object is dead; a file of it is about to be deleted")
	afterDelete    = failpoint.Declare("metastore.delete.after", "a file of a dead object is deleted")
	beforeForget   = failpoint.Declare("metastore.forget.before", "dead objects are deleted; their tombstones are about to be forgotten")
	afterForget    = failpoint.Declare("metastore.forget.after", "tombstones are forgotten")
	beforeShorten  = failpoint.Declare("metastore.shorten.before", "a snapshot is published; the log before the last one is about to be dropped")
	afterShorten   = failpoint.Declare("metastore.shorten.after", "the beginning of the log is dropped")
	beforeVote     = failpoint.Declare("metastore.vote.before", "a term or vote is about to be saved")
	afterVote      = failpoint.Declare("metastore.vote.after", "a term or vote is saved")
	beforeFence    = failpoint.Declare("metastore.fence.before", "orphans were found; the state is about to be told that they never can become live")
	afterFence     = failpoint.Declare("metastore.fence.after", "orphans can never become live; none is deleted yet")
	beforeSweep    = failpoint.Declare("metastore.sweep.before", "an orphan can never become live; a file of it is about to be deleted")
	afterSweep     = failpoint.Declare("metastore.sweep.after", "a file of an orphan is deleted")
	beforeManifest = failpoint.Declare("metastore.manifest.before", "a manifest of the state is about to be put into the bucket")
	afterManifest  = failpoint.Declare("metastore.manifest.after", "a manifest is in the bucket; older ones are about to be deleted")
)
