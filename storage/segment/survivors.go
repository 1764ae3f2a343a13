package segment

import (
	"errors"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/bk"
)

const (
	// A segment is freed by appending its survivors again when less than one byte in survivorShare lives.
	survivorShare = 4
	// survivorBatch is how many bytes are on their way at once, so that publishing is not held up.
	survivorBatch = 1 << 20
)

var errAborted = errors.New("aborted")

// survivors frees the segment with the fewest living records, if they are few, by appending those to the head of the log again.
// The segment is dead once all copies are durable; fences and keys in it are covered by the table since it was sealed.
func (k *keeper) survivors() error {
	limit := int64(math.MaxInt64)
	if l := k.log; l.full() != nil { // what is left is for fences and deletes first
		free, err := l.fs.Free(l.dir)
		if err != nil {
			return err
		}
		limit = free / 4
	}
	var best *segment
	for _, s := range k.sealedSegments() {
		if s.stuck || s.live == 0 || s.live*survivorShare >= s.total || s.live > limit {
			continue
		}
		if best == nil || s.live < best.live {
			best = s
		}
	}
	if best == nil {
		return nil
	}
	if err := k.copySurvivors(best); err != nil {
		return err
	}
	k.log.kick() // the next one
	return k.free()
}

// copySurvivors appends the living entries of s again and takes its rows out of the table.
func (k *keeper) copySurvivors(s *segment) error {
	l := k.log
	defer phase(l.o.Log, "survivors")()
	sl, err := s.readSeal()
	if err != nil {
		return err
	}
	c := copier{log: l, seg: s}
	var ledgers []int64
	err = s.readFooter(sl, func(p *piece, r row) error {
		if p.count == 0 {
			return nil
		}
		row, err := l.table.row(p.ledger, s.generation)
		if err != nil || row == nil || l.reg.deletedAfter(p.ledger, s.generation) {
			return err
		}
		ledgers = append(ledgers, p.ledger)
		return c.ledger(p.ledger, r)
	})
	if err == nil {
		err = c.flush()
	}
	c.drop()
	var bad *damageError
	if errors.As(err, &bad) {
		l.damaged(bad.damage)
		s.stuck = true
	}
	if err != nil {
		return err
	}
	return k.dropRows(s, ledgers)
}

// dropRows takes the rows of a segment whose entries lie elsewhere by now out of the table.
func (k *keeper) dropRows(s *segment, ledgers []int64) error {
	l := k.log
	for first := true; first || len(ledgers) > 0; first = false {
		n := min(len(ledgers), 10000)
		err := l.table.change(func(b *pebble.Batch) error {
			for _, id := range ledgers[:n] {
				if err := b.Delete(rowKey(id, s.generation), nil); err != nil {
					return err
				}
			}
			if n < len(ledgers) {
				return nil
			}
			return b.Set(segmentKey(s.generation), segmentRow{0, s.total}.encode(), nil)
		})
		if err != nil {
			return err
		}
		ledgers = ledgers[n:]
	}
	s.live = 0
	return nil
}

// copier reads entries of a dying segment and appends them again, some at a time.
type copier struct {
	log     *Log
	seg     *segment
	places  []place
	entries []bk.Entry
	bytes   int
}

// ledger copies all entries of one ledger.
func (c *copier) ledger(ledger int64, r row) error {
	runs, err := c.seg.readRuns(r)
	if err != nil {
		return err
	}
	for i := range runs.table {
		it, err := runs.items(i, runs.table[i].first)
		if err != nil {
			return err
		}
		c.places = c.places[:0]
		for {
			p, ok := it.next()
			if !ok {
				break
			}
			c.places = append(c.places, p)
			c.bytes += p.length
			if c.bytes >= survivorBatch {
				if err := c.read(ledger); err != nil {
					return err
				}
				if err := c.flush(); err != nil {
					return err
				}
			}
		}
		if err := c.read(ledger); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) read(ledger int64) (err error) {
	c.entries, err = c.seg.read(c.entries, ledger, c.places)
	c.places = c.places[:0]
	return err
}

// flush appends what was read and waits until it is durable.
func (c *copier) flush() error {
	if len(c.entries) == 0 {
		return nil
	}
	select {
	case <-c.log.closed:
		return errAborted
	default:
	}
	w := c.log.internal
	records := make([]bk.Record, len(c.entries))
	list := make([]*bk.Record, len(c.entries))
	for i, e := range c.entries {
		records[i] = bk.Record{Kind: bk.RecordEntry, Ledger: e.Ledger, Entry: e.Entry, Body: e.Payload, Done: w}
		list[i] = &records[i]
	}
	w.expect(len(list))
	if !c.log.queue.add(list, true) {
		w.expect(-len(list))
		return errAborted
	}
	w.wait()
	c.drop()
	for i := range records {
		if records[i].Err != bk.OK {
			return records[i].Err
		}
	}
	c.log.metrics.survivors.Add(int64(len(records)))
	return nil
}

// drop releases what was read.
func (c *copier) drop() {
	for _, e := range c.entries {
		e.Payload.Release()
	}
	c.entries, c.bytes = c.entries[:0], 0
}

// survivorsDone is told of copies.
type survivorsDone struct {
	mu      sync.Mutex
	cond    sync.Cond
	pending int
}

func (s *survivorsDone) expect(n int) {
	s.mu.Lock()
	s.pending += n
	s.mu.Unlock()
}

// RecordsDone implements bk.RecordsDone.
func (s *survivorsDone) RecordsDone(done []*bk.Record) {
	s.mu.Lock()
	s.pending -= len(done)
	s.cond.Signal()
	s.mu.Unlock()
}

func (s *survivorsDone) wait() {
	s.mu.Lock()
	for s.pending > 0 {
		s.cond.Wait()
	}
	s.mu.Unlock()
}
