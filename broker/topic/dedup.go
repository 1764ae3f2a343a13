package topic

import (
	"cmp"
	"slices"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// verdict is what deduplication says about a publish.
type verdict uint8

const (
	store     verdict = iota // new
	duplicate                // stored already
	wait                     // was published before and is on its way to the ledger: answered when that is known
	covered                  // a batch that is stored in part: refused, for dropping it would lose messages
)

// sent is what deduplication looks at in a publish, or in a stored entry.
type sent struct {
	first, highest int64 // sequence ids of the first and last message
	chunk, chunks  int32 // which of how many chunks of one message; chunks is 0 when it is not chunked
	size           int32 // total size of the chunked message
	uuid           string
}

// dedup is what a topic knows of its producers' sequence ids: by producer name the highest pushed towards the ledger and the highest
// stored (decisions §8). Guarded by Topic.mu.
type dedup struct {
	producers map[string]*dedupEntry

	// Since the last snapshot.
	entries int
	bytes   int64
}

// dedupEntry is one producer name.
type dedupEntry struct {
	name      string
	pushed    int64     // highest sequence id handed to the ledger; -1: none
	persisted int64     // highest stored; -1: none
	touched   int64     // Unix ms of the last publish or connection
	current   *Producer // connected now

	// The chunks of a message share a sequence id and are judged together: pushed and persisted move with the last one. What was pushed last
	// and what was stored last may be chunks of different messages.
	pushing chunkProgress
	storing chunkProgress
}

// chunkProgress is how far the chunks of one message have come.
type chunkProgress struct {
	seq   int64
	uuid  string
	total int32 // 0: no message
	size  int32
	done  int32 // chunks

	first bk.Position // where the first stored one lies
	begun uint64      // how many entries the topic had taken by then
}

func progress(s sent) chunkProgress {
	return chunkProgress{seq: s.highest, uuid: s.uuid, total: s.chunks, size: s.size}
}

func newDedup() *dedup { return &dedup{producers: map[string]*dedupEntry{}} }

// entry is the producer's entry, made if need be.
func (d *dedup) entry(name string, now int64) *dedupEntry {
	e := d.producers[name]
	if e == nil {
		e = &dedupEntry{name: name, pushed: -1, persisted: -1}
		d.producers[name] = e
	}
	e.touched = now
	return e
}

// judge decides about a publish and, when it is to be stored, counts it as pushed.
func (e *dedupEntry) judge(s sent) verdict {
	switch {
	case s.first <= e.pushed && s.highest > e.pushed:
		return covered
	case s.highest <= e.persisted:
		return duplicate
	case s.highest <= e.pushed:
		return wait
	case s.chunks > 1:
		return e.judgeChunk(s)
	}
	e.pushing = chunkProgress{}
	e.pushed = s.highest
	return store
}

func (e *dedupEntry) judgeChunk(s sent) verdict {
	c := &e.pushing
	if !c.same(s) {
		*c = progress(s)
	}
	switch {
	case s.chunk >= c.done:
	case e.known(s):
		return duplicate
	default:
		return wait
	}
	c.done = s.chunk + 1
	if s.chunk == s.chunks-1 {
		e.pushed = s.highest
	}
	return store
}

// same reports whether s is a chunk of the message whose chunks are on their way. A producer that was started anew may cut the same
// sequence id differently: those are other chunks.
func (c *chunkProgress) same(s sent) bool {
	return c.total > 0 && c.seq == s.highest && c.uuid == s.uuid && c.total == s.chunks && c.size == s.size
}

// known reports whether a publish is stored.
func (e *dedupEntry) known(s sent) bool {
	return s.highest <= e.persisted || s.chunks > 1 && e.storing.same(s) && s.chunk < e.storing.done
}

// stored tells that an entry is stored at p as the n-th the topic took.
func (e *dedupEntry) stored(s sent, p bk.Position, n uint64) {
	if s.chunks > 1 {
		c := &e.storing
		if !c.same(s) {
			*c = progress(s)
			c.first, c.begun = p, n
		}
		c.done = max(c.done, s.chunk+1)
		if s.chunk < s.chunks-1 {
			return
		}
	}
	e.storing = chunkProgress{}
	e.persisted = max(e.persisted, s.highest)
	e.pushed = max(e.pushed, e.persisted)
}

// settle forgets what was pushed and is not stored: nothing is on its way any more.
func (d *dedup) settle() {
	for _, e := range d.producers {
		e.pushed, e.pushing = e.persisted, e.storing
	}
}

// dedupProducers bounds the producer names remembered; the ones that were silent longest go first.
const dedupProducers = 10_000

// forget drops producers that are not connected and were silent since before, and as many more as there are too many.
func (d *dedup) forget(before int64) {
	var idle []*dedupEntry
	for name, e := range d.producers {
		switch {
		case e.current != nil || e.pushed != e.persisted:
		case e.touched < before:
			delete(d.producers, name)
		case len(d.producers) > dedupProducers:
			idle = append(idle, e)
		}
	}
	if n := len(d.producers) - dedupProducers; n > 0 {
		slices.SortFunc(idle, func(a, b *dedupEntry) int { return cmp.Compare(a.touched, b.touched) })
		for _, e := range idle[:min(n, len(idle))] {
			delete(d.producers, e.name)
		}
	}
}

// chunkPatience is how many entries a chunked message that does not come to its end keeps the snapshot's position back.
const chunkPatience = 10_000

// snapshot is the content of the cursor pulsar.dedup when everything up to p is stored: the position, and the producers' highest
// stored sequence ids. Chunks of unfinished messages stay behind the position, to be found again; taken is how many entries the
// topic has taken by now.
func (d *dedup) snapshot(p bk.Position, taken uint64) (bk.Position, []managed.LongProperty) {
	longs := make([]managed.LongProperty, 0, len(d.producers))
	for _, e := range d.producers {
		if c := &e.storing; c.total > 0 && taken-c.begun < chunkPatience && c.first.Compare(p) <= 0 {
			p = bk.Position{Ledger: c.first.Ledger, Entry: c.first.Entry - 1}
		}
		if e.persisted >= 0 {
			longs = append(longs, managed.LongProperty{Name: e.name, Value: e.persisted})
		}
	}
	slices.SortFunc(longs, func(a, b managed.LongProperty) int { return cmp.Compare(a.Name, b.Name) })
	d.entries, d.bytes = 0, 0
	return p, longs
}
