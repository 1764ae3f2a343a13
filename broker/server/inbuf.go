package server

import "github.com/strobemq/strobe/storage/bk"

const (
	minBuffer = 4 << 10
	maxBuffer = 256 << 10 // beyond it a buffer is only as large as the frame it must hold
)

// inbuf is what a connection reads into: a slab, of which data[start:end] is read and not yet consumed. Entries cut out of it hold
// the slab, so that it is filled again from its start only when nobody does.
type inbuf struct {
	slab       *bk.Slab
	start, end int
	size       int // of the next slab: grows while reads fill what they are given
	need       int // length of the frame that begins at start, when it is known and not all there
	skip       int // bytes of a refused frame still to come, thrown away
}

func newInbuf() inbuf { return inbuf{slab: bk.NewSlab(minBuffer), size: minBuffer} }

func (b *inbuf) data() []byte { return b.slab.Bytes()[b.start:b.end] }

// room is where the next read goes: at least what the frame at start lacks.
func (b *inbuf) room() []byte {
	have := b.end - b.start
	if b.slab.Alone() && have == 0 {
		b.start, b.end = 0, 0
	}
	need := max(b.need, have+1)
	whole := b.slab.Bytes()
	// A little room at the end of a slab is not worth a read; an eighth of it is left unused.
	if len(whole)-b.start >= need && (len(whole)-b.end >= len(whole)/8 || b.need > 0) && len(whole) >= b.size {
		return whole[b.end:]
	}
	if b.slab.Alone() && len(whole) >= max(need, b.size) {
		copy(whole, whole[b.start:b.end])
		b.start, b.end = 0, have
		return whole[have:]
	}
	next := bk.NewSlab(max(need, b.size))
	copy(next.Bytes(), whole[b.start:b.end])
	b.slab.Release()
	b.slab, b.start, b.end = next, 0, have
	return next.Bytes()[have:]
}

// filled takes n bytes that were read into room, which offered so many.
func (b *inbuf) filled(n, offered int) {
	b.end += n
	if n == offered && b.size < maxBuffer {
		b.size *= 2
	}
	if b.skip > 0 {
		k := min(b.skip, b.end-b.start)
		b.start += k
		b.skip -= k
	}
}

// consume moves past n bytes.
func (b *inbuf) consume(n int) {
	b.start += n
	b.need = 0
}

// shrink gives a large slab back when the connection has been idle.
func (b *inbuf) shrink() {
	b.size = minBuffer
	if b.start == b.end && len(b.slab.Bytes()) > minBuffer {
		b.slab.Release()
		*b = newInbuf()
	}
}

func (b *inbuf) release() { b.slab.Release() }
