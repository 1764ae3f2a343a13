// Package frames is what both ends of a connection to a bookie share: In cuts what a socket brings into frames, Out gathers
// what is to be sent and writes it in batches. Payloads lie in slabs and are not copied where that costs more than it saves.
package frames

import (
	"io"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

const (
	minSlab = 4 << 10
	maxSlab = 256 << 10 // beyond it a slab is only as large as the frames that came
	// maxFrameSlab is the size up to which a slab is made as large as the frames that came.
	maxFrameSlab = 1 << 20
	// fewReads is after how many reads that leave most of a slab empty the next one is smaller.
	fewReads = 16
)

// In is what a connection reads into: a slab of which bytes start to end are read and not consumed. What was kept of it holds
// the slab, which is filled again from its start only when nobody does. It belongs to one goroutine.
type In struct {
	limit      int // of a frame
	slab       *bk.Slab
	start, end int
	frame      int   // where the frame lies that Next returned last
	size       int   // of the next slab: grows while reads fill what they are given
	few        int   // reads in a row that brought little
	err        error // of a read that brought something too
}

// NewIn returns an In for frames of at most limit bytes, without their length prefix. Release it.
func NewIn(limit int) *In { return &In{limit: limit, slab: bk.NewSlab(minSlab), size: minSlab} }

// Fill reads once, as much as there is room for. It returns the reader's error when nothing came.
func (in *In) Fill(r io.Reader) error {
	if in.err != nil {
		return in.err
	}
	room := in.room()
	n, err := r.Read(room)
	in.end += n
	switch {
	case n == len(room) && in.size < maxSlab:
		in.size, in.few = 2*in.size, 0
	case n < in.size/8 && in.size > minSlab:
		if in.few++; in.few == fewReads {
			in.size, in.few = in.size/2, 0
		}
	default:
		in.few = 0
	}
	if n > 0 {
		in.err, err = err, nil
	}
	return err
}

// Next is the next whole frame, without its length prefix; nil when there is none yet. It may be used until the next Fill; see
// Keep. The error is bkwire.ErrFrameLength.
func (in *In) Next() ([]byte, error) {
	data := in.slab.Bytes()[in.start:in.end]
	n, err := bkwire.FrameLen(data, in.limit)
	if err != nil || n < 0 || len(data) < prefix+n {
		return nil, err
	}
	for in.size < prefix+n && in.size < maxFrameSlab {
		in.size, in.few = 2*in.size, 0 // the next one may be as large, and then need not be moved
	}
	in.frame = in.start + prefix
	in.start += prefix + n
	return data[prefix : prefix+n : prefix+n], nil
}

const prefix = 4

// Keep is bytes i to j of the frame that Next returned last, with a reference of its own.
func (in *In) Keep(i, j int) bk.Buf { return in.slab.Buf(in.frame+i, in.frame+j) }

// room is where the next read goes. A frame that is announced and does not come gets no memory: a slab is at most twice as large as
// what it holds, or in.size.
func (in *In) room() []byte {
	have := in.end - in.start
	if have == 0 && in.slab.Alone() {
		in.start, in.end = 0, 0
	}
	whole := in.slab.Bytes()
	want := have + 1
	if n, err := bkwire.FrameLen(whole[in.start:in.end], in.limit); err == nil && n >= 0 {
		want = prefix + n
	}
	// A little room at the end of a slab is not worth a read, unless a frame ends in it.
	left, ends := len(whole)-in.end, want > have+1 && in.start+want <= len(whole)
	if left >= len(whole)/8 || left > 0 && ends {
		return whole[in.end:]
	}
	need := max(min(want, 2*have), have+1, in.size)
	if in.slab.Alone() && len(whole) >= need {
		copy(whole, whole[in.start:in.end])
		in.start, in.end = 0, have
		return whole[have:]
	}
	next := bk.NewSlab(need)
	copy(next.Bytes(), whole[in.start:in.end])
	in.slab.Release()
	in.slab, in.start, in.end = next, 0, have
	return next.Bytes()[have:]
}

// Release gives the slab back. What was kept stays.
func (in *In) Release() { in.slab.Release() }
