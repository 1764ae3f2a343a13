package topicio

import (
	"github.com/strobemq/strobe/broker/wire"
)

// A large message travels as chunks: entries with one uuid, chunk ids from 0. They are put together here; all their entries are
// acknowledged with the message.

const (
	maxChunked    = 100       // large messages being put together at once
	maxChunkBytes = 256 << 20 // and their bytes
)

type chunked struct {
	body []byte
	ids  []wire.MessageID
	next int32
}

// chunks is the set of one consumer; the zero value is empty.
type chunks struct {
	open  map[string]*chunked
	order []string // of arrival, for eviction
	bytes int
}

// add takes a chunk. whole is the message when it was the last one; drop lists entries to be acknowledged without a message: parts of
// one whose start was never seen, or that was sent again from the start.
func (c *chunks) add(m *wire.Metadata, id wire.MessageID, body []byte) (whole *chunked, drop []wire.MessageID) {
	uuid := string(m.UUID)
	cur := c.open[uuid]
	if m.ChunkID == 0 {
		if cur != nil {
			if follows(id, cur.ids[0]) { // the producer began anew; otherwise the broker did, with the same entries
				drop = cur.ids
			}
			c.remove(uuid)
		}
		if c.open == nil {
			c.open = map[string]*chunked{}
		}
		for len(c.order) > 0 && (len(c.order) >= maxChunked || c.bytes+int(m.ChunkSize) > maxChunkBytes) {
			c.remove(c.order[0]) // its entries stay unacknowledged and come again after a reconnect
		}
		cur = &chunked{}
		c.open[uuid] = cur
		c.order = append(c.order, uuid)
	}
	if cur == nil || m.ChunkID != cur.next {
		if cur != nil && m.ChunkID >= 0 && m.ChunkID < cur.next && !follows(id, cur.ids[m.ChunkID]) {
			return nil, drop // the same entry once more
		}
		return nil, append(drop, id)
	}
	cur.body = append(cur.body, body...)
	cur.ids = append(cur.ids, id)
	cur.next++
	c.bytes += len(body)
	if cur.next < m.Chunks {
		return nil, drop
	}
	c.remove(uuid)
	return cur, drop
}

func (c *chunks) remove(uuid string) {
	if cur := c.open[uuid]; cur != nil {
		c.bytes -= len(cur.body)
		delete(c.open, uuid)
	}
	for i, u := range c.order {
		if u == uuid {
			c.order = append(c.order[:i], c.order[i+1:]...)
			break
		}
	}
}

// entries is how many entries are part of what is not complete.
func (c *chunks) entries() (n int64) {
	for _, cur := range c.open {
		n += int64(len(cur.ids))
	}
	return n
}
