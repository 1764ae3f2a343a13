package managed

import (
	"context"

	"github.com/strobemq/strobe/storage/bk"
)

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
	p, ok = l.chain.atOrBefore(l.chain.position(lo - 1))
	return p, ok, nil
}
