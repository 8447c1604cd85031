package warehouse

// Segment describes a stored segment to the metastore, and is repeated in the
// segment's footer, so that an index can be rebuilt from objects alone.
type Segment struct {
	ID       ObjectID
	Shard    uint32
	Size     int64        // bytes of the whole object
	Parts    []Part       // sorted by tenant, then hour
	Profiles []ProfileKey // the ids of the profiles in it; retries are recognised by them
	Epochs   []Epoch      // that its omitted definitions rely on
}

// AddOutcome is what became of a segment that was offered for registration.
type AddOutcome uint8

// The outcomes.
const (
	Added          AddOutcome = iota // it is live, now or already before
	HasDuplicates                    // refused: some profiles are registered by another segment
	HasStaleEpochs                   // refused: definitions it relies on may be gone
	WasAborted                       // refused for ever: its id was aborted
)

// String returns the outcome in words.
func (o AddOutcome) String() string {
	return [...]string{"added", "has duplicates", "has stale epochs", "was aborted"}[o&3]
}

// AddResult is the answer to a segment's registration. A refusal leaves no trace.
type AddResult struct {
	Outcome    AddOutcome
	Duplicates []ProfileKey // the profiles that are registered already
	Stale      []Epoch      // the current epochs of partitions that moved on
}
