package inflate

import (
	"encoding/binary"
	"io"
)

// block unpacks the data of a compressed block by the tables at hand.
func (d *Decoder) block() error {
	for {
		done, err := d.fast()
		if done || err != nil {
			return err
		}
		if done, err = d.careful(); done || err != nil {
			return err
		}
	}
}

// fast unpacks while there are more than 16 bytes of the stream and slack bytes of
// room, so that neither is checked for each symbol. It is true at the end of the block.
//
// Between two loads of at least 56 bits there are at most three literal entries of
// up to 15 bits, or two and a length of up to 20, or a distance of up to 28.
func (d *Decoder) fast() (bool, error) {
	src, out := d.src, d.out
	pos, bits, n, o := d.pos, d.bits, d.n, d.o
	lastPos, lastOut := len(src)-16, min(len(out)-slack, d.limit)
	lit, dist := &d.lit, &d.dist
	var bad string
	done := false
loop:
	for pos <= lastPos && o <= lastOut {
		bits |= binary.LittleEndian.Uint64(src[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56

		e := lit[bits&(1<<litWidth-1)]
		if e&isLiteral != 0 {
			bits >>= e & takesMask
			n -= uint(e & takesMask)
			out[o], out[o+1] = byte(e>>valueShift), byte(e>>codeShift)
			o += 1 + int(e>>24&1)
			e = lit[bits&(1<<litWidth-1)]
			if e&isLiteral != 0 {
				bits >>= e & takesMask
				n -= uint(e & takesMask)
				out[o], out[o+1] = byte(e>>valueShift), byte(e>>codeShift)
				o += 1 + int(e>>24&1)
				e = lit[bits&(1<<litWidth-1)]
				if e&isLiteral != 0 {
					bits >>= e & takesMask
					n -= uint(e & takesMask)
					out[o], out[o+1] = byte(e>>valueShift), byte(e>>codeShift)
					o += 1 + int(e>>24&1)
					continue
				}
			}
		}
		if e&isSpecial != 0 {
			if e&isSub != 0 {
				bits >>= e & takesMask
				n -= uint(e & takesMask)
				e = lit[e>>valueShift&subMask+entry(bits)&(1<<(e>>codeShift&codeMask)-1)]
			}
			switch {
			case e&isLiteral != 0:
				bits >>= e & takesMask
				n -= uint(e & takesMask)
				out[o] = byte(e >> valueShift)
				o++
				continue
			case e&isSpecial == 0:
			case e&isEnd != 0:
				bits >>= e & takesMask
				n -= uint(e & takesMask)
				done = true
				break loop
			default:
				bad = "a code that is none"
				break loop
			}
		}
		length := int(e>>valueShift&valueMask) + int(bits&(1<<(e&takesMask)-1)>>(e>>codeShift&codeMask))
		bits >>= e & takesMask
		n -= uint(e & takesMask)

		bits |= binary.LittleEndian.Uint64(src[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e = dist[bits&(1<<distWidth-1)]
		if e&isSpecial != 0 {
			if e&isSub != 0 {
				bits >>= e & takesMask
				n -= uint(e & takesMask)
				e = dist[e>>valueShift&subMask+entry(bits)&(1<<(e>>codeShift&codeMask)-1)]
			}
			if e&isSpecial != 0 {
				bad = "a distance's code that is none"
				break loop
			}
		}
		back := int(e>>valueShift&valueMask) + int(bits&(1<<(e&takesMask)-1)>>(e>>codeShift&codeMask))
		bits >>= e & takesMask
		n -= uint(e & takesMask)
		from := o - back
		if from < d.start {
			bad = "a distance to before the beginning"
			break loop
		}
		end := o + length
		switch {
		case back >= 8:
			// Words do not overlap; what is written behind the end is overwritten.
			for {
				binary.LittleEndian.PutUint64(out[o:], binary.LittleEndian.Uint64(out[from:]))
				if o += 8; o >= end {
					break
				}
				from += 8
			}
		case back == 1:
			word := uint64(out[from]) * 0x0101010101010101
			for ; o < end; o += 8 {
				binary.LittleEndian.PutUint64(out[o:], word)
			}
		default:
			for ; o < end; o, from = o+1, from+1 {
				out[o] = out[from]
			}
		}
		o = end
	}
	// Bits above n are those of bytes not yet taken.
	d.pos, d.bits, d.n, d.o = pos, bits&(1<<n-1), n, o
	switch {
	case bad != "":
		return false, d.corrupt(bad)
	case o > d.limit:
		return false, ErrLimit
	}
	return done, nil
}

// careful unpacks one symbol, at the end of the stream or of the room. It is true at
// the end of the block.
func (d *Decoder) careful() (bool, error) {
	d.need(48) // or what there is: zeros follow
	e, err := d.symbol(d.lit[:], litWidth)
	switch {
	case err != nil:
		return false, err
	case e&isLiteral != 0:
		n := 1 + int(e>>24&1)
		if err := d.room(n); err != nil {
			return false, err
		}
		d.out[d.o] = byte(e >> valueShift)
		if n == 2 {
			d.out[d.o+1] = byte(e >> codeShift)
		}
		d.o += n
		return false, nil
	case e&isEnd != 0:
		return true, nil
	}
	length := int(e >> valueShift)
	d.need(48)
	if e, err = d.symbol(d.dist[:], distWidth); err != nil {
		return false, err
	}
	back := int(e >> valueShift)
	if back > d.o-d.start {
		return false, d.corrupt("a distance to before the beginning")
	}
	if err := d.room(length); err != nil {
		return false, err
	}
	for range length {
		d.out[d.o] = d.out[d.o-back]
		d.o++
	}
	return false, nil
}

// symbol takes one symbol. The extra bits of a length or distance are added to it.
func (d *Decoder) symbol(table []entry, width int) (entry, error) {
	e := table[d.bits&(1<<width-1)]
	if e&isSpecial != 0 && e&isSub != 0 {
		if uint(e&takesMask) > d.n {
			return 0, io.ErrUnexpectedEOF
		}
		d.drop(uint(e & takesMask))
		e = table[e>>valueShift&subMask+entry(d.bits)&(1<<(e>>codeShift&codeMask)-1)]
	}
	if e&isLiteral != 0 || e&isEnd != 0 {
		if uint(e&takesMask) > d.n {
			return 0, io.ErrUnexpectedEOF
		}
		d.drop(uint(e & takesMask))
		return e, nil
	}
	if e&isSpecial != 0 {
		if d.n == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, d.corrupt("a code that is none")
	}
	if uint(e&takesMask) > d.n {
		return 0, io.ErrUnexpectedEOF
	}
	value := e>>valueShift&valueMask + entry(d.bits&(1<<(e&takesMask)-1)>>(e>>codeShift&codeMask))
	d.drop(uint(e & takesMask))
	return value << valueShift, nil
}
