package block

import (
	"fmt"
	"hash/crc32"
)

// pageRef says where a page lies and what its header states. The body matches
// the header's checksum.
type pageRef struct {
	pageHeader
	offset int64 // from the file's start
	length int64 // with its header
}

// head returns the bytes of the page's header.
func (p *pageRef) head() int64 { return p.length - int64(p.size) }

// pagesOf walks the pages of a chunk whose place in the file has been checked,
// the dictionary first if there is one, and verifies the checksum of each. It
// unpacks nothing.
func pagesOf(data []byte, ref *chunkRef) ([]pageRef, error) {
	var pages []pageRef
	r := thriftReader{data: data[:ref.start()+ref.size], pos: int(ref.start())}
	for r.pos < len(r.data) {
		p := pageRef{offset: int64(r.pos)}
		p.pageHeader = readPageHeader(&r)
		if r.err != nil {
			return nil, fmt.Errorf("page header: %w", r.err)
		}
		if p.page == pageData && (p.defs != encodingRLE || p.reps != encodingRLE) {
			return nil, fmt.Errorf("page at byte %d has levels in encodings %d and %d", p.offset, p.defs, p.reps)
		}
		body := r.data[r.pos : r.pos+int(p.size)]
		if got := crc32.ChecksumIEEE(body); !p.hasSum || got != p.sum {
			return nil, fmt.Errorf("page at byte %d has checksum %08x, want %08x", p.offset, got, p.sum)
		}
		r.pos += int(p.size)
		p.length = int64(r.pos) - p.offset
		pages = append(pages, p)
	}
	return pages, nil
}
