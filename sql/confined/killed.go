package confined

// Shortage is what a statement had too little of when its process ended.
type Shortage string

// The shortages.
const (
	Memory   Shortage = "memory"
	Space    Shortage = "temporary space"
	Patience Shortage = "time" // it was asked to end, and did not
	Crash    Shortage = "crash"
)

// Killed says that a statement ended its process, or that the process had to be ended
// because of it. Its kind is Limit, or that of the context which had ended.
type Killed struct {
	Shortage Shortage
	err      error
	said     string // first line of what the process wrote, or ""
}

// Error returns a sentence.
func (k *Killed) Error() string {
	if k.said != "" {
		return k.err.Error() + ": " + k.said
	}
	return k.err.Error()
}

// Unwrap returns the error with the kind.
func (k *Killed) Unwrap() error { return k.err }
