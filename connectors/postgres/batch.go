package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"

	"github.com/strobemq/strobe/connectors"
)

const (
	maxBatchRows  = 1000
	maxBatchBytes = 1 << 20
	// keepBytes is the largest buffer that a batch keeps for its next life.
	keepBytes = 2 * maxBatchBytes
)

// position is a place in the WAL where the stream can begin again, and the number of the last row before it.
type position struct {
	lsn pglogrepl.LSN
	row uint64
}

// batch is the rows of one Read and the memory they live in. While rows are added, their parts are only noted as places, because the
// buffers may move; seal makes the records of them.
type batch struct {
	tracker *tracker
	next    *batch // in the tracker's queue or its free list

	records []connectors.Record
	places  []place
	data    []byte                // keys and payloads, one after the other
	text    []byte                // values of properties, one after the other
	props   []connectors.Property // names only until seal
	lengths []int                 // of the values of props

	mark position // last place in the WAL that comes after no row that is not in this batch or an earlier one; 0 lsn: none
	done []uint64 // bit set of acknowledged rows
	left int      // rows not acknowledged
	life int      // which use of this memory it is, so that a second Ack of an earlier life is noticed
}

// place says where the parts of a record lie in data, and how many properties it has.
type place struct {
	key, payload int // lengths; the payload follows the key
	props        int
}

// reset makes a batch ready for its next life.
func (b *batch) reset(t *tracker) {
	b.tracker, b.next, b.mark, b.left = t, nil, position{}, 0
	b.life++
	clear(b.records)
	b.records, b.places, b.data, b.text, b.props, b.lengths = b.records[:0], b.places[:0], b.data[:0], b.text[:0], b.props[:0], b.lengths[:0]
	if cap(b.data) > keepBytes {
		b.data = nil
	}
}

func (b *batch) full() bool {
	return len(b.records) >= maxBatchRows || len(b.data)+len(b.text) >= maxBatchBytes
}

// add begins a record; its parts follow: the key first, then the payload, and properties.
func (b *batch) add(r connectors.Record) {
	b.records = append(b.records, r)
	b.places = append(b.places, place{})
}

func (b *batch) current() (*connectors.Record, *place) {
	i := len(b.records) - 1
	return &b.records[i], &b.places[i]
}

// setKey takes the key that was appended to data from offset on.
func (b *batch) setKey(offset int) {
	r, p := b.current()
	r.HasKey = true
	p.key = len(b.data) - offset
}

// setPayload takes the payload that was appended to data from offset on.
func (b *batch) setPayload(offset int) {
	_, p := b.current()
	p.payload = len(b.data) - offset
}

func (b *batch) setNull() {
	r, _ := b.current()
	r.Null = true
}

// reject marks the record as one that is never sent.
func (b *batch) reject(reason string) {
	r, _ := b.current()
	r.Reject, r.Topic = reason, ""
}

func (b *batch) addProperty(name string, value []byte) {
	_, p := b.current()
	p.props++
	b.props = append(b.props, connectors.Property{Key: name})
	b.lengths = append(b.lengths, len(value))
	b.text = append(b.text, value...)
}

// seal makes the records whole. The batch does not change afterwards.
func (b *batch) seal() connectors.Batch {
	text := string(b.text) // one allocation for all properties; strings must never change
	at, textAt, prop := 0, 0, 0
	for i := range b.records {
		r, p := &b.records[i], b.places[i]
		if r.HasKey {
			r.Key = b.data[at : at+p.key : at+p.key]
		}
		at += p.key
		if !r.Null {
			r.Payload = b.data[at : at+p.payload : at+p.payload]
		}
		at += p.payload
		for j := prop; j < prop+p.props; j++ {
			b.props[j].Value = text[textAt : textAt+b.lengths[j]]
			textAt += b.lengths[j]
		}
		if p.props > 0 {
			r.Properties = b.props[prop : prop+p.props : prop+p.props]
		}
		prop += p.props
	}
	b.left = len(b.records)
	words := (len(b.records) + 63) / 64
	if cap(b.done) < words {
		b.done = make([]uint64, words)
	}
	b.done = b.done[:words]
	clear(b.done)
	life := b.life
	return connectors.Batch{Records: b.records, Ack: func(_ context.Context, done []int) error { return b.acknowledge(life, done) }}
}

func (b *batch) acknowledge(life int, done []int) error {
	t := b.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if life != b.life || b.left == 0 {
		return errors.New("a batch was acknowledged twice")
	}
	if done == nil {
		if b.left != len(b.records) {
			return fmt.Errorf("all %d rows acknowledged after %d of them were", len(b.records), len(b.records)-b.left)
		}
		b.left = 0
	}
	for _, i := range done {
		if i < 0 || i >= len(b.records) {
			return fmt.Errorf("row %d of %d acknowledged", i, len(b.records))
		}
		word, bit := i/64, uint64(1)<<(i%64)
		if b.done[word]&bit != 0 {
			return fmt.Errorf("row %d acknowledged twice", i)
		}
		b.done[word] |= bit
		b.left--
	}
	if b.left == 0 {
		t.advanceLocked()
	}
	return nil
}
