package warehouse

// StackColumns are definitions of stacktraces by column, as they are stored:
// strings once each, and numbers that refer to them. Whoever reads many
// definitions spares himself a [Frame] for every line of every one.
//
// Invariant: Offsets has one element more than IDs, ascends from 0 and ends with
// the number of frames, which is the length of all columns of frames.
// Invariant: every index of a [TextColumn] is one of its texts.
type StackColumns struct {
	IDs     []StacktraceID
	Offsets []int32 // stacktrace i has the frames [Offsets[i], Offsets[i+1]), leaf first

	// The fields of frames; see [Frame].
	Functions, SystemNames, Filenames TextColumn
	Mappings, BuildIDs                TextColumn
	Lines, StartLines                 []int64
	Addresses                         []int64 // the bits of the unsigned ones
	Inlined                           []uint8 // 0 or 1
}

// TextColumn is a column of strings. Texts may have equal ones, and some that
// no index refers to.
type TextColumn struct {
	Texts []string
	Index []uint32 // of each value in Texts
}

// Value returns the i-th value.
func (c *TextColumn) Value(i int) string { return c.Texts[c.Index[i]] }

// AppendFrames appends the frames of the i-th stacktrace, leaf first. Their
// strings are those of the columns.
func (c *StackColumns) AppendFrames(dst []Frame, i int) []Frame {
	for j := int(c.Offsets[i]); j < int(c.Offsets[i+1]); j++ {
		dst = append(dst, Frame{
			Function:   c.Functions.Value(j),
			SystemName: c.SystemNames.Value(j),
			Filename:   c.Filenames.Value(j),
			Line:       c.Lines[j],
			StartLine:  c.StartLines[j],
			Mapping:    c.Mappings.Value(j),
			BuildID:    c.BuildIDs.Value(j),
			Address:    uint64(c.Addresses[j]),
			Inlined:    c.Inlined[j] == 1,
		})
	}
	return dst
}
