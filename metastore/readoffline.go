package metastore

// ReadOffline returns the index of a metastore that nobody runs, as [ReadState] does:
// its newest snapshot and every command of the log behind it. It starts nothing and
// proposes nothing; as at each opening, damaged snapshots are moved aside and a torn end
// of the log is cut off. Of a cluster's node, the last commands may be ones that the
// cluster never agreed on.
//
// The snapshot protects nothing, and there is nobody to delete what it shows. Errors
// are those of [Open]; a directory without a metastore is NotFound.
func ReadOffline(o Options) (*Snapshot, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s, err := ReadState(o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	return newPins(o.tuning.maxPinAge, o.Clock).pin(s.View, o.tuning.maxPinAge), nil
}
