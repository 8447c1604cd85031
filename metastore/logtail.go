package metastore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft-wal/metadb"
	walfile "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// logMeta is the database that knows the log's files. When it is loaded, before
// anything else reads the log, it puts right what a crash left at the log's end:
//
//   - A write that was torn is taken back and its remains are cleared. It was
//     answered to nobody.
//   - Damage that has whole writes behind it is no torn write: those came after
//     a sync. raft-wal would drop and overwrite them; here it is an error.
//   - A file that was closed, without the database knowing, is entered as closed.
//     raft-wal would refuse all further writes.
type logMeta struct {
	metadb.BoltMetaDB
	log  *slog.Logger
	torn int // bytes of a torn write that was taken back
}

// Load opens the database and returns what it knows of the log's files.
func (m *logMeta) Load(dir string) (types.PersistentState, error) {
	s, err := m.BoltMetaDB.Load(dir)
	if err != nil || len(s.Segments) == 0 {
		return s, err
	}
	last := &s.Segments[len(s.Segments)-1]
	if !last.SealTime.IsZero() {
		return s, nil
	}
	tail, err := mendTail(filepath.Join(dir, walfile.FileName(*last)))
	m.torn = tail.torn
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil // the crash came before the file; raft-wal makes it
	case err != nil:
		return s, err
	case tail.torn > 0:
		m.log.Warn("the last write to the log was torn and is taken back", "bytes", tail.torn, "file", walfile.FileName(*last))
	}
	if tail.indexStart == 0 {
		return s, nil
	}
	last.SealTime = time.Now()
	last.MaxIndex = last.BaseIndex + uint64(tail.entries) - 1
	last.IndexStart = uint64(tail.indexStart)
	s.Segments = append(s.Segments, types.SegmentInfo{
		ID: s.NextSegmentID, BaseIndex: last.MaxIndex + 1, MinIndex: last.MaxIndex + 1,
		SizeLimit: last.SizeLimit, Codec: last.Codec, CreateTime: last.SealTime,
	})
	s.NextSegmentID++
	return s, m.CommitState(s)
}

// A file of the log is a header, then frames, each of a multiple of 8 bytes:
//
//	type[1] ‖ 0 0 0 ‖ length or crc[4] ‖ payload ‖ zeros
//
// A write is some entries, maybe the index that closes the file, and a commit,
// whose crc is CRC-32C of all bytes behind the commit before it.
const (
	logHeaderBytes      = 32
	logFrameHeaderBytes = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tailState is what a file of the log holds.
type tailState struct {
	entries    int
	indexStart int // where the index begins that closes the file, or 0
	end        int // of the last whole write
	torn       int // bytes of a torn write behind it
}

// mendTail reads the last file of the log and clears a torn write at its end.
func mendTail(path string) (tailState, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tailState{}, err
	}
	tail, err := inspectTail(data)
	if err != nil {
		return tail, warehouse.Errorf(warehouse.Corrupt, "log file %s: %w", path, err)
	}
	if tail.torn == 0 {
		return tail, nil
	}
	return tail, clearFile(path, int64(tail.end), tail.torn)
}

// inspectTail says what the last file of the log holds. Damage that is not a
// torn write is a Corrupt error.
func inspectTail(data []byte) (tailState, error) {
	tail := readWrites(data)
	tail.torn = len(bytes.TrimRight(data[tail.end:], "\x00"))
	for at := tail.end + logFrameHeaderBytes; at < tail.end+tail.torn; at += logFrameHeaderBytes {
		if readWrite(data, at, at).end > 0 {
			return tail, warehouse.Errorf(warehouse.Corrupt, "damaged at offset %d: whole writes follow at %d", tail.end, at)
		}
	}
	return tail, nil
}

// readWrites reads whole writes from the beginning.
func readWrites(data []byte) (tail tailState) {
	for first := logHeaderBytes; ; first = tail.end {
		w := readWrite(data, tail.end, first)
		if w.end == 0 {
			return tail
		}
		tail.entries += w.entries
		tail.indexStart = w.indexStart
		tail.end = w.end
	}
}

// logWrite is one write to a file of the log.
type logWrite struct {
	entries    int
	indexStart int
	end        int // 0: it is not whole
}

// readWrite reads the write whose first frame is at first and whose crc counts
// from start.
func readWrite(data []byte, start, first int) (w logWrite) {
	for at := first; at+logFrameHeaderBytes <= len(data); {
		if data[at+1] != 0 || data[at+2] != 0 || data[at+3] != 0 {
			return logWrite{}
		}
		number := binary.LittleEndian.Uint32(data[at+4:])
		switch data[at] {
		case walfile.FrameEntry:
			w.entries++
		case walfile.FrameIndex:
			w.indexStart = at + logFrameHeaderBytes
		case walfile.FrameCommit:
			if w.entries == 0 || crc32.Checksum(data[start:at], castagnoli) != number {
				return logWrite{}
			}
			w.end = at + logFrameHeaderBytes
			return w
		default:
			return logWrite{}
		}
		const round = logFrameHeaderBytes - 1
		at += logFrameHeaderBytes + (int(number)+round)&^round
	}
	return logWrite{}
}

// clearFile writes zeros over a part of a file.
func clearFile(path string, at int64, n int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, n), at)
	return errors.Join(err, f.Sync(), f.Close())
}
