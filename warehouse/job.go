package warehouse

// JobRef names one assignment of a compaction job.
type JobRef struct {
	ID    ObjectID
	Token uint64 // fencing: grows with every assignment, so that a late worker is told from its successor
}

// Job is parts of one tenant and hour that are to be merged, as it was given to a
// worker.
type Job struct {
	JobRef
	Tenant  Tenant
	Hour    Hour
	Level   uint8   // of what is made
	Inputs  []*Part // in order of registration
	Attempt int     // from 1

	// Masks are the deletions that what is made must not hold rows of any more, in
	// the order of the log: of each input, those rows that [Deletion.Masks] says.
	Masks []*Deletion
}

// Levels of parts. Between them there may be others.
const (
	LevelSegment = 0 // many tenants and hours in one object
	LevelFinal   = 3 // what remains of an hour that is over
)

// MaxJobFailures is how often a job fails before it is set aside, until an operator
// releases it.
const MaxJobFailures = 3
