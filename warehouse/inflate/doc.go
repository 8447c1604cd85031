// Package inflate unpacks gzip streams that are in memory as a whole.
//
// A stream is unpacked in one go, into memory whose size its trailer announces, so
// that there is no window to copy from and no state to keep between calls. That is
// what makes it faster than a reader (see BenchmarkGzip).
//
// It promises to accept what compress/gzip accepts and to return the same bytes, to
// hold no more memory than twice what is really there, and to stop at a limit. It
// is no reader: who has a stream of unknown length reads it with compress/gzip.
//
// Formats: RFC 1951 (deflate), RFC 1952 (gzip).
package inflate
