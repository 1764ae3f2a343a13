package segment

import (
	"errors"
	"io"
	"log/slog"

	"github.com/strobemq/strobe/storage/vfs"
)

// Options of a log. The zero value is good.
type Options struct {
	FS           vfs.FS // nil: the operating system's
	SegmentBytes int64  // size of a segment but for the first ones (see sizeOf), 0: 256 MiB, at most 2 GiB
	QueueBytes   int64  // records that wait or are being written, 0: 64 MiB; beyond it bk.ErrTooMany
	ReserveBytes int64  // disk that entries leave free for fences, deletes and tables, 0: 64 MiB, negative: none
	PoolSegments int    // dead segments kept for recycling, 0: 4; the others are removed
	Watermark    Watermark
	Log          *slog.Logger // nil: nothing is logged

	indexBytes int64 // tests: distance of index blocks, 0: 8 MiB
	chunk      int   // tests: bytes per write, 0: 1 MiB
}

// Watermark keeps, somewhere else than on the log's own disk, up to where the log is known to be durable. A log that ends
// before it has lost records, and its ledgers are in limbo. The zero value keeps none.
type Watermark struct {
	// Load returns what the last Save got; ok is false when there was none.
	Load func() (generation uint64, synced int64, ok bool, err error)
	// Save must not return before the mark is durable. It is called about once a second under load, by one goroutine, never on the way of an append.
	// ErrNotNow: it was not saved, and nothing is wrong.
	Save func(generation uint64, synced int64) error
}

// ErrNotNow is what Watermark.Save answers while whoever owns the log has no right to say how far it is.
var ErrNotNow = errors.New("not now")

const (
	defaultSegment = 256 << 20
	firstSegment   = 8 << 20
	minSegment     = 16 << 10
	maxCommit      = 4 << 20 // bytes of one group, but for a single larger record
	copyBelow      = 8 << 10 // smaller bodies are gathered, larger ones are written from where they lie
)

// sizeOf is where a segment of a generation counts as full. The first one of a log is small and each one after it twice as large, until they
// have SegmentBytes: so a young log comes soon to a file that was written ahead, and one that is hardly used is small. A larger group makes a
// segment of its own.
func (o *Options) sizeOf(generation uint64) int64 {
	size := int64(firstSegment)
	for ; size < o.SegmentBytes && generation > 1; generation-- {
		size *= 2
	}
	return min(size, o.SegmentBytes)
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	o.SegmentBytes = min(max(o.SegmentBytes, minSegment), maxSegment-(64<<20))
	if o.QueueBytes <= 0 {
		o.QueueBytes = 64 << 20
	}
	switch {
	case o.ReserveBytes == 0:
		o.ReserveBytes = 64 << 20
	case o.ReserveBytes < 0:
		o.ReserveBytes = 0
	}
	if o.PoolSegments == 0 {
		o.PoolSegments = 4
	}
	if o.indexBytes == 0 {
		o.indexBytes = 8 << 20
	}
	if o.chunk == 0 {
		o.chunk = 1 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}
