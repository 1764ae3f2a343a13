package segment

import (
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

// queue is what waits for the writer: records in the order of submission, bounded by their bytes. A record that is refused
// takes its place in the queue all the same, so that it is completed in order and by the completing goroutine.
type queue struct {
	mu      sync.Mutex
	wake    sync.Cond
	records []*bk.Record
	head    int   // of records: the first that waits
	bytes   int64 // submitted and not completed
	limit   int64
	waiting bool // the writer sleeps
	closed  bool
}

// controlReserve is how far records that are no entries may exceed the limit: fences and deletes must get through.
const controlReserve = 4 << 20

func recordSize(r *bk.Record) int64 {
	return recordHeaderSize + int64(len(r.Head)) + int64(len(r.Body.B))
}

// add reports false after close.
func (q *queue) add(records []*bk.Record, internal bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if q.head > 0 && len(q.records)+len(records) > cap(q.records) {
		n := copy(q.records, q.records[q.head:])
		clear(q.records[n:])
		q.records, q.head = q.records[:n], 0
	}
	for _, r := range records {
		r.Err = bk.OK
		size, limit := recordSize(r), q.limit
		if r.Kind != bk.RecordEntry {
			limit += controlReserve
		}
		if q.bytes+size > limit && q.bytes > 0 && !internal {
			r.Err = bk.ErrTooMany
		} else {
			q.bytes += size
		}
		q.records = append(q.records, r)
	}
	if q.waiting {
		q.waiting = false
		q.wake.Signal()
	}
	return true
}

// take waits for records and moves those of up to limit bytes, at least one, to dst. It returns none when the queue is closed
// and empty.
func (q *queue) take(dst []*bk.Record, limit int64) []*bk.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == len(q.records) && !q.closed {
		q.waiting = true
		q.wake.Wait()
	}
	for q.head < len(q.records) {
		r := q.records[q.head]
		if r.Err == bk.OK {
			if limit -= recordSize(r); limit < 0 && len(dst) > 0 {
				return dst
			}
		}
		dst = append(dst, r)
		q.records[q.head] = nil
		q.head++
	}
	q.records, q.head = q.records[:0], 0
	return dst
}

// done gives bytes of completed records back.
func (q *queue) done(bytes int64) {
	q.mu.Lock()
	q.bytes -= bytes
	q.mu.Unlock()
}

func (q *queue) pending() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
}
