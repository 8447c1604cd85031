package warehouse

// PushResult is the outcome of one pushed profile.
type PushResult struct {
	// Err is nil when the profile is durable and visible.
	Err error
	// Flags say what was changed on the way in; see ProfileFlags.
	Flags ProfileFlags
}

// ProfileFlags say what of a stored profile differs from what was sent. The bits
// are stored: never renumber.
type ProfileFlags int32

// The flags.
const (
	DepthCut      ProfileFlags = 1 << iota // stacks deeper than the limit were cut
	SymbolCut                              // names longer than the limit were cut
	ValuesDropped                          // values that are not positive were dropped
	Sampled                                // the profile stands for others that were not kept
)

// Names returns the names of the flags that are set.
func (f ProfileFlags) Names() []string {
	var out []string
	for i, name := range []string{"depth-cut", "symbol-cut", "values-dropped", "sampled"} {
		if f&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}
