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

// reader is a ledger of the chain opened for reading, with the reads that run on it.
type reader struct {
	ledger bk.Ledger
	users  int
	gone   bool          // dropped from the table; the last user closes it
	ready  chan struct{} // non-nil while it is being opened; closed when ledger or err is set
	err    error
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
// An error names the position that cannot be read; entries before it are returned by an earlier call.
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
		if errors.Is(err, bk.ErrNoLedger) {
			if _, _, still := l.run(p); still && l.has(p.Ledger) {
				return nil, fmt.Errorf("managed ledger %s: read %v: %w", l.name, p, err)
			}
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

func (l *Ledger) has(ledger int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.find(ledger) != nil
}

func (l *Ledger) readLedger(ctx context.Context, p bk.Position, last int64, maxBytes int) ([]bk.Entry, error) {
	l.mu.Lock()
	if w := l.w; w != nil && w.id == p.Ledger && !w.closed {
		l.mu.Unlock()
		got, err := w.ledger.Read(ctx, p.Entry, last, maxBytes)
		if !errors.Is(err, bk.ErrClosed) {
			return got, err
		}
	} else {
		l.mu.Unlock()
	}
	r, err := l.acquire(ctx, p.Ledger)
	if err != nil {
		return nil, err
	}
	defer l.release(r)
	return r.ledger.Read(ctx, p.Entry, last, maxBytes)
}

// acquire is a reader of the ledger, opened when it is not yet; each acquire needs a release.
func (l *Ledger) acquire(ctx context.Context, id int64) (*reader, error) {
	l.mu.Lock()
	r := l.readers[id]
	if r == nil {
		r = &reader{ready: make(chan struct{})}
		l.readers[id] = r
		r.users++
		l.mu.Unlock()
		ledger, err := l.m.ledgers.Open(ctx, id, true)
		l.mu.Lock()
		r.ledger, r.err = ledger, err
		close(r.ready)
		r.ready = nil
		if err != nil && l.readers[id] == r {
			delete(l.readers, id)
			r.gone = true
		}
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	r.users++
	ready := r.ready
	l.mu.Unlock()
	if ready != nil {
		select {
		case <-ready:
		case <-ctx.Done():
			l.release(r)
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	err := r.err
	l.mu.Unlock()
	if err != nil {
		l.release(r)
		return nil, err
	}
	return r, nil
}

func (l *Ledger) release(r *reader) {
	l.mu.Lock()
	r.users--
	last := r.gone && r.users == 0 && r.ledger != nil
	l.mu.Unlock()
	if last {
		_ = r.ledger.Close(context.Background())
	}
}

// dropReader forgets the reader of a ledger; it is closed when its last read ends.
func (l *Ledger) dropReader(id int64) {
	l.mu.Lock()
	r := l.readers[id]
	if r == nil {
		l.mu.Unlock()
		return
	}
	delete(l.readers, id)
	r.gone = true
	last := r.users == 0
	l.mu.Unlock()
	if last && r.ledger != nil {
		_ = r.ledger.Close(context.Background())
	}
}

// FindNewest is the last entry behind after for which pred holds, where pred holds for entries up to some point and for none
// behind it: an entry older than a time. ok is false when it holds for none. It reads about log2(n) entries. pred borrows the
// payload.
func (l *Ledger) FindNewest(ctx context.Context, after bk.Position, pred func(payload []byte) bool) (p bk.Position, ok bool, err error) {
	l.mu.Lock()
	lo := max(l.chain.ordinal(after), l.chain.first())
	hi := l.chain.next
	l.mu.Unlock()
	begin := lo
	for lo < hi {
		mid := lo + (hi-lo)/2
		l.mu.Lock()
		if mid < l.chain.first() { // trimmed meanwhile
			l.mu.Unlock()
			lo = mid + 1
			continue
		}
		at := l.chain.position(mid)
		l.mu.Unlock()
		got, err := l.Read(ctx, at, 1, 1)
		if err != nil {
			return bk.Position{}, false, err
		}
		if len(got) == 0 {
			hi = mid
			continue
		}
		holds := pred(got[0].Payload.B)
		got[0].Payload.Release()
		if holds {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if lo == begin || lo-1 < l.chain.first() {
		return bk.Position{}, false, nil
	}
	return l.chain.position(lo - 1), true, nil
}
