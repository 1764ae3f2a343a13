package segment

import (
	"github.com/strobemq/strobe/storage/bk"
)

// commit is what one sync makes durable, on its way from the writer to the completing goroutine. Two of them go round.
type commit struct {
	seg     *active
	records []*bk.Record
	offs    []int64 // of each record's header; 0: not written, Err says why
	end     int64
	bytes   int64 // to give back to the queue
}

// writer owns the end of the log: one goroutine that drains the queue, writes a group, syncs, and hands over.
type writer struct {
	log      *Log
	seg      *active
	size     int64  // where seg is full
	pos      int64  // where the next group goes; everything before is synced
	number   uint64 // of the last group
	previous uint32 // checksum of its header
	indexAt  int64  // the next index block goes in front of the first group behind this
	builder  indexBuilder
	asked    bool // for the next segment
	buf      []byte
	aheadAt  int64 // bytes of the log at which ahead is kicked next
	budget   int64 // new bytes that may be written before the next look at the free space

	free chan *commit
	full chan *commit
}

func newWriter(l *Log) *writer {
	w := &writer{log: l, free: make(chan *commit, 2), full: make(chan *commit, 2)}
	w.free <- &commit{}
	w.free <- &commit{}
	return w
}

// open makes s the segment that is appended to, at pos.
func (w *writer) open(s *active, pos int64) {
	w.seg, w.pos, w.size = s, pos, w.log.o.sizeOf(s.generation)
	w.indexAt = (pos/w.log.o.indexBytes + 1) * w.log.o.indexBytes
	w.builder.reset(pos)
	w.asked = false
}

func (w *writer) run() {
	defer close(w.full)
	for {
		c := <-w.free
		limit := min(maxCommit, w.size-w.pos-groupHeaderSize)
		c.records = w.log.queue.take(c.records[:0], limit)
		if len(c.records) == 0 {
			return
		}
		w.commit(c)
		w.full <- c
	}
}

// commit writes and syncs the records of c, as far as they may be written, and sets their Err otherwise.
func (w *writer) commit(c *commit) {
	c.offs = c.offs[:0]
	c.bytes = 0
	length, written := w.admit(c)
	if written > 0 && (w.pos+groupHeaderSize+length > w.size && w.pos > groupsAt || w.log.wantRoll.Load()) {
		err := w.roll()
		if err != nil && noSpace(err) && w.log.dropBallast() {
			err = w.roll()
		}
		if err != nil {
			w.refuse(c, w.failed("write", err))
			written = 0
		}
	}
	if written > 0 && !w.room(groupHeaderSize+length) {
		length, written = w.withdraw(c)
	}
	if written == 0 {
		c.seg, c.end = w.seg, w.pos
		return
	}
	c.seg = w.seg
	next, err := w.write(c, length, written)
	if err != nil && noSpace(err) {
		// Fences, deletes and what makes room get what is left, and the reserve.
		w.log.dropBallast()
		if length, written = w.withdraw(c); written == 0 {
			c.end = w.pos
			return
		}
		next, err = w.write(c, length, written)
	}
	if err == nil {
		err = w.sync()
	}
	if err != nil {
		// The next group overwrites what this one left.
		w.refuse(c, err)
	} else {
		w.advance(c, next)
	}
	c.end = w.pos
}

// tail is where a commit ends.
type tail struct {
	pos      int64
	number   uint64
	previous uint32
	indexed  int64 // where the index block written in front ends; 0: none was
}

func (w *writer) sync() error {
	if err := w.seg.file.Sync(); err != nil {
		return w.log.fail("sync", w.seg.segment, w.pos, err)
	}
	w.log.metrics.syncs.Add(1)
	return nil
}

// failed tells a full disk, which is waited out, from a device that failed.
func (w *writer) failed(op string, err error) error {
	if noSpace(err) {
		return w.log.diskFull(err)
	}
	return w.log.fail(op, w.seg.segment, w.pos, err)
}

// refuse completes what has no error yet with err's code.
func (w *writer) refuse(c *commit, err error) {
	code := bk.ErrIO
	if noSpace(err) {
		code = bk.ErrReadOnly
	}
	for i, r := range c.records {
		if r.Err == bk.OK {
			r.Err = code
		}
		c.offs[i] = 0
	}
}

// admit decides which records may be written and returns the length of their group.
func (w *writer) admit(c *commit) (length int64, written int) {
	refused := w.log.refusing()
	dead := w.log.dead() // looked at last: it is set first
	for _, r := range c.records {
		off := int64(0)
		if r.Err == bk.OK {
			size := recordSize(r)
			c.bytes += size
			switch {
			case dead:
				r.Err = bk.ErrIO
			case refused && r.Kind == bk.RecordEntry && !w.log.survivor(r):
				r.Err = bk.ErrReadOnly
			case r.Kind < bk.RecordEntry || r.Kind > bk.RecordDelete || r.Ledger < 0 || r.Kind == bk.RecordEntry && r.Entry < 0:
				r.Err = bk.ErrBadRequest
			case r.Kind != bk.RecordEntry && (size > maxControl || len(r.Body.B) > 0):
				r.Err = bk.ErrBadRequest
			case size > w.log.o.SegmentBytes-groupsAt-groupHeaderSize && !w.log.survivor(r): // it was taken when segments were larger
				r.Err = bk.ErrEntryTooLarge
			default:
				off = 1
				length += size
				written++
			}
		}
		c.offs = append(c.offs, off)
	}
	return length, written
}

// withdraw takes the entries out of a commit for which there is no room; copies of survivors stay, they make room.
func (w *writer) withdraw(c *commit) (length int64, written int) {
	for i, r := range c.records {
		switch {
		case c.offs[i] == 0:
		case r.Kind == bk.RecordEntry && !w.log.survivor(r):
			r.Err = bk.ErrReadOnly
			c.offs[i] = 0
		default:
			length += recordSize(r)
			written++
		}
	}
	return length, written
}

// write encodes the group and writes it, in pieces of one buffer, and the index block in front of it when one is due.
func (w *writer) write(c *commit, length int64, records int) (tail, error) {
	t := tail{pos: w.pos, number: w.number, previous: w.previous}
	at := w.pos
	b := w.buf[:0]
	sd := w.seg.seed
	if at >= w.indexAt {
		b = w.appendIndex(b, &t)
	}
	g := groupHeader{number: t.number + 1, at: t.pos, synced: w.pos, length: int(length), records: records, previous: t.previous, kind: groupRecords}
	b = g.appendTo(b, sd)
	pos := t.pos + groupHeaderSize
	var err error
	for i, r := range c.records {
		if c.offs[i] == 0 {
			continue
		}
		h := w.recordHeader(r)
		body := r.Body.B
		h.bodySum = sd.sum2(r.Head, body)
		if len(b)+recordHeaderSize+len(r.Head)+min(len(body), copyBelow) > w.log.o.chunk {
			if at, err = w.flush(b, at); err != nil {
				return tail{}, err
			}
			b = b[:0]
		}
		c.offs[i] = pos
		pos += recordHeaderSize + int64(h.length)
		b = appendRecordHeader(b, &h, sd)
		b = append(b, r.Head...)
		if len(body) < copyBelow {
			b = append(b, body...)
			continue
		}
		if at, err = w.flush(b, at); err != nil {
			return tail{}, err
		}
		b = b[:0]
		if at, err = w.flush(body, at); err != nil {
			return tail{}, err
		}
	}
	w.buf = b
	_, err = w.flush(b, at)
	t.pos, t.number, t.previous = pos, g.number, g.sum
	return t, err
}

func (w *writer) recordHeader(r *bk.Record) recordHeader {
	h := recordHeader{kind: r.Kind, ledger: r.Ledger, length: len(r.Head) + len(r.Body.B)}
	if r.Kind == bk.RecordEntry {
		h.entry = r.Entry
	}
	if w.log.survivor(r) {
		h.flags = recordSurvivor
	}
	return h
}

func (w *writer) flush(b []byte, at int64) (int64, error) {
	if len(b) == 0 {
		return at, nil
	}
	if _, err := w.seg.file.WriteAt(b, at); err != nil {
		return at, w.failed("write", err)
	}
	w.log.metrics.bytes.Add(int64(len(b)))
	return at + int64(len(b)), nil
}

// appendIndex encodes the index block of what was written so far.
func (w *writer) appendIndex(b []byte, t *tail) []byte {
	g := groupHeader{
		number: t.number + 1, at: t.pos, synced: w.pos, length: len(w.builder.buf), records: w.builder.records,
		previous: t.previous, payloadSum: w.seg.seed.sum(w.builder.buf), kind: groupIndex,
	}
	b = g.appendTo(b, w.seg.seed)
	b = append(b, w.builder.buf...)
	t.pos, t.number, t.previous, t.indexed = g.end(), g.number, g.sum, g.end()
	return b
}

// advance moves the end of the log behind a commit that is durable.
func (w *writer) advance(c *commit, t tail) {
	if t.indexed > 0 {
		w.indexAt = (t.indexed/w.log.o.indexBytes + 1) * w.log.o.indexBytes
		w.builder.reset(t.indexed)
	}
	for i, r := range c.records {
		if c.offs[i] != 0 {
			h := w.recordHeader(r)
			w.builder.add(&h, c.offs[i], r.Head)
		}
	}
	w.pos, w.number, w.previous = t.pos, t.number, t.previous
	if !w.asked && w.pos > w.size/soon {
		w.asked = true
		w.log.wantNext.Store(true)
		w.log.kick()
	}
	w.appended()
}
