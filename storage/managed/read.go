package managed

import (
	"context"
	"errors"
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
)

// Entry is an entry read. The reader owns a reference of Payload and releases it. Payload is what was appended, head and body in
// one piece (interop §9.1).
type Entry struct {
	Position bk.Position
	Payload  bk.Buf
}

// ReadCached appends to dst the entries at and behind from that are in memory, in order and without a gap, at most maxEntries and
// maxBytes (the first whatever its size). Nothing is appended when the first entry at or behind from is not cached or does not
// exist yet. It never blocks.
func (l *Ledger) ReadCached(dst []Entry, from bk.Position, maxEntries, maxBytes int) []Entry {
	for had := len(dst); len(dst)-had < maxEntries; {
		p, last, ok := l.run(from)
		if !ok {
			break
		}
		n := len(dst)
		dst = l.m.cache.get(dst, p.Ledger, p.Entry, last, maxEntries-(n-had), maxBytes)
		if len(dst) == n {
			break
		}
		for _, e := range dst[n:] {
			maxBytes -= len(e.Payload.B)
		}
		from = dst[len(dst)-1].Position
		if from.Entry < last || maxBytes <= 0 {
			break
		}
		from.Entry++
	}
	return dst
}

// run is the first entry at or behind from and the last of its ledger.
func (l *Ledger) run(from bk.Position) (p bk.Position, last int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok = l.chain.atOrAfter(from); !ok {
		return p, 0, false
	}
	return p, l.chain.find(p.Ledger).entries - 1, true
}

// Read returns entries at and behind from, in order: from the cache as far as they lie there, else from the ledger's bookies, at
// least one and at most maxEntries and maxBytes (the first whatever its size). It may return fewer than there are. Without
// an entry at or behind from it returns none and no error. Ledgers that are gone are skipped forwards. May block on a peer.
//
// An error is about the first entry at or behind from; those before it were returned by earlier calls.
func (l *Ledger) Read(ctx context.Context, from bk.Position, maxEntries, maxBytes int) ([]Entry, error) {
	if got := l.ReadCached(nil, from, maxEntries, maxBytes); len(got) > 0 {
		return got, nil
	}
	for {
		p, last, ok := l.run(from)
		if !ok || maxEntries <= 0 {
			return nil, nil
		}
		got, err := l.readLedger(ctx, p, min(last, p.Entry+int64(maxEntries)-1), maxBytes)
		if errors.Is(err, bk.ErrNoLedger) && l.missing(p.Ledger) {
			from = bk.Position{Ledger: p.Ledger + 1}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("managed ledger %s: read %v: %w", l.name, p, err)
		}
		out := make([]Entry, len(got))
		for i, e := range got {
			out[i] = Entry{bk.Position{Ledger: p.Ledger, Entry: e.Entry}, e.Payload}
		}
		return out, nil
	}
}

// readLedger reads entries of one ledger: through the writer's handle while it is the open one, which must not be opened with
// recovery, else through a reader.
func (l *Ledger) readLedger(ctx context.Context, p bk.Position, last int64, maxBytes int) ([]bk.Entry, error) {
	l.mu.Lock()
	w := l.w
	l.mu.Unlock()
	if w != nil && w.id == p.Ledger {
		got, err := w.ledger.Read(ctx, p.Entry, last, maxBytes)
		if !errors.Is(err, bk.ErrClosed) {
			return got, err
		}
	}
	r, err := l.acquire(ctx, p.Ledger)
	if err != nil {
		return nil, err
	}
	defer l.release(r)
	return r.ledger.Read(ctx, p.Entry, last, maxBytes)
}

// missing takes note that a ledger does not exist: it was trimmed meanwhile, or somebody deleted it although the list names it. Then
// its entries are lost, and it is dropped from the list so that cursors go on behind it instead of failing for ever.
func (l *Ledger) missing(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != nil && l.w.id == id {
		return false
	}
	if i := l.chain.at(id); i < len(l.chain.links) && l.chain.links[i].ledger == id {
		l.logger().Error("a ledger of the list does not exist any more, its entries are lost", "id", id, "entries", l.chain.links[i].entries)
		l.chain.drop(i)
	}
	return true
}
