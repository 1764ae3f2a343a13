package pipeline

import (
	"net"
	"slices"
	"sync"

	"github.com/strobemq/strobe/bench/load"
)

// quorum is the broker's end of its bookies. Each entry goes to all of them; it is durable when enough have answered. A bookie answers in
// order, so one mark for each says what it has.
type quorum struct {
	broker  *broker
	enough  int
	bookies []*outbox
	reading sync.WaitGroup

	mu     sync.Mutex
	marks  []uint64 // entries that each bookie has
	sorted []uint64
}

// dialBookies connects to bookies.
func dialBookies(addrs []string, enough int, b *broker) (*quorum, error) {
	q := &quorum{broker: b, enough: enough, marks: make([]uint64, len(addrs)), sorted: make([]uint64, len(addrs))}
	for i, addr := range addrs {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			q.close()
			return nil, err
		}
		q.bookies = append(q.bookies, &outbox{nc: nc})
		q.reading.Go(func() {
			var answers uint64
			var d delivery
			read(nc, func(byte, uint64, []byte) { answers++ }, func() {
				b.release(q.mark(i, answers), &d)
				answers = 0
			})
		})
	}
	return q, nil
}

// mark counts answers of a bookie and returns how many entries enough bookies have.
func (q *quorum) mark(bookie int, answers uint64) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.marks[bookie] += answers
	copy(q.sorted, q.marks)
	slices.Sort(q.sorted)
	return q.sorted[len(q.sorted)-q.enough]
}

func (q *quorum) store(entries []stored) {
	var head [load.PipelineHeader]byte
	for _, e := range entries {
		h := load.AppendPipelineHeader(head[:0], load.PipelineEntry, e.id, len(e.payload))
		for _, o := range q.bookies {
			o.add(h, e.payload)
		}
	}
}

func (q *quorum) flush() {
	for _, o := range q.bookies {
		o.flush()
	}
}

// close ends the connections. Idempotent.
func (q *quorum) close() {
	for _, o := range q.bookies {
		o.nc.Close()
	}
	q.reading.Wait()
}
