package subscription

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
)

// turns routes the entries of a shared subscription: to each consumer a few in turn, better priorities first. The chunks of one
// message go to one consumer, for it has to put them together.
type turns struct {
	list   []turn // of the subscription's consumers, in order
	able   int    // how many of them
	now    int    // whose turn it is, -1: nobody's
	given  int    // entries' messages given in this turn
	last   uint64 // who had the last turn
	chunks map[string]*Consumer
}

// chunkLimit bounds the chunked messages on their way; what lies beyond may be split over consumers.
const chunkLimit = 4096

func (t *turns) join(*shared, *Consumer) *Refusal { return nil }

func (t *turns) leave(_ *shared, c *Consumer) {
	for id, owner := range t.chunks {
		if owner == c {
			delete(t.chunks, id)
		}
	}
}

func (t *turns) begin(d *shared) bool {
	t.list, t.able = t.list[:0], 0
	for _, c := range d.s.consumers {
		c.ready = c.able()
		if c.ready {
			t.able++
		}
		t.list = append(t.list, turn{c.seq, c.o.Priority, c.ready})
	}
	t.now = -1
	return t.able > 0
}

func (t *turns) pick(d *shared, _ bk.Position, sl *slot, m *wire.Metadata, _ bool) (*Consumer, bool) {
	if t.able == 0 {
		return nil, false
	}
	if m.Chunks > 1 {
		if owner := t.chunks[string(m.UUID)]; owner != nil {
			if !owner.ready {
				sl.only = owner
				return nil, true
			}
			if m.ChunkID >= m.Chunks-1 {
				delete(t.chunks, string(m.UUID))
			}
			return owner, false
		}
	}
	if t.now < 0 || !t.list[t.now].able || t.given >= d.s.o.Limits.RoundRobin {
		t.now, t.given = nextTurn(t.list, t.last), 0
		t.last = t.list[t.now].seq
	}
	c := d.s.consumers[t.now]
	t.given += int(m.Messages)
	if m.Chunks > 1 && m.ChunkID < m.Chunks-1 {
		t.remember(m.UUID, c)
	}
	return c, false
}

// remember keeps the consumer of a chunked message until its last chunk.
func (t *turns) remember(uuid []byte, c *Consumer) {
	if t.chunks == nil {
		t.chunks = map[string]*Consumer{}
	}
	if len(t.chunks) >= chunkLimit {
		clear(t.chunks)
	}
	t.chunks[string(uuid)] = c
}

func (t *turns) gave(c *Consumer) {
	if c.ready && (c.permits <= 0 || c.blocked) {
		c.ready = false
		t.able--
		for i := range t.list {
			if t.list[i].seq == c.seq {
				t.list[i].able = false
			}
		}
	}
}

func (t *turns) mayTake(_ *shared, sl *slot) bool {
	return t.able > 0 && (sl.only == nil || sl.only.closed || sl.only.ready)
}

func (t *turns) note(*slot, *wire.Metadata) {}

func (t *turns) stop(*slot) {}

func (t *turns) waits(*slot) {}

func (t *turns) resumes(*slot) {}

func (t *turns) freed(*slot) bool { return false }

func (t *turns) stats(*shared, *Stats) {}
