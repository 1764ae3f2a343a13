package subscription

import (
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// feed is a subscription's way through the topic's entries, forwards: where it reads next and what it has read ahead. Guarded by
// Subscription.mu.
type feed struct {
	ledger *managed.Ledger
	limits Limits

	want  int         // entries that consumers take now, at most; reads are cut to it so that little lies about read and not taken
	next  bk.Position // where the next read begins
	ahead []managed.Entry
	head  int // ahead[head:] are read and not taken

	// Entries up to suspect may have been acknowledged before they are read: on taking them, ask the cursor. Behind it nobody
	// has seen an entry yet, which spares following the tail the question.
	suspect bk.Position
}

// peek is the next entry, taken from the cache if nothing was read ahead; nil when it is not there.
func (f *feed) peek() *managed.Entry {
	if f.head == len(f.ahead) {
		f.ahead, f.head = f.ledger.ReadCached(f.ahead[:0], f.next, min(f.want, f.limits.ReadEntries), f.limits.ReadBytes), 0
		if len(f.ahead) == 0 {
			return nil
		}
		f.next = after(f.ahead[len(f.ahead)-1].Position)
	}
	return &f.ahead[f.head]
}

// take hands over the entry that peek returned.
func (f *feed) take() managed.Entry {
	e := f.ahead[f.head]
	f.ahead[f.head] = managed.Entry{}
	f.head++
	return e
}

// caughtUp reports whether there is no entry behind what was read.
func (f *feed) caughtUp() bool {
	_, more := f.ledger.AtOrAfter(f.next)
	return !more
}

// at is where dispatch stands: the first entry not taken.
func (f *feed) at() bk.Position {
	if f.head < len(f.ahead) {
		return f.ahead[f.head].Position
	}
	return f.next
}

// put takes entries read from at on, which is next or, when what lay there is acknowledged, behind it. There must be nothing ahead.
func (f *feed) put(at bk.Position, es []managed.Entry) {
	if f.next.Less(at) {
		f.next = at
	}
	if len(es) > 0 {
		f.ahead, f.head = append(f.ahead[:0], es...), 0
		f.next = after(es[len(es)-1].Position)
	}
}

// jump goes on at p and forgets what was read ahead. touched says that some of what lies behind may be acknowledged already.
func (f *feed) jump(p bk.Position, touched bool) {
	f.release()
	f.next = p
	if last := f.ledger.LastConfirmed(); touched && f.suspect.Less(last) {
		f.suspect = last
	}
}

// release gives back what was read ahead; it is read again.
func (f *feed) release() {
	if f.head < len(f.ahead) {
		f.next = f.ahead[f.head].Position
	}
	for i := f.head; i < len(f.ahead); i++ {
		f.ahead[i].Payload.Release()
	}
	clear(f.ahead)
	f.ahead, f.head = f.ahead[:0], 0
}

// after is the place behind p.
func after(p bk.Position) bk.Position {
	return bk.Position{Ledger: p.Ledger, Entry: p.Entry + 1}
}
