package warehouse

// Frame is one line of a stacktrace: one element of the parallel lists of the
// stacktraces table. A location with inlined calls has several frames.
type Frame struct {
	Function   string
	SystemName string // the linker's name; often equal to Function
	Filename   string
	Line       int64
	StartLine  int64  // of the function; 0 if unknown
	Mapping    string // base name of the binary
	BuildID    string // of the first definition seen: a hint, not identity
	Address    uint64 // file-relative, for frames without symbols; else 0
	Inlined    bool   // called by the next frame of the same location
}

// Stacktrace is a definition: an id and what it stands for.
type Stacktrace struct {
	ID     StacktraceID
	Frames []Frame // leaf first
}
