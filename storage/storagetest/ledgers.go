package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
)

// Ledgers is the conformance suite of bk.Ledgers: what a managed ledger relies on. open returns an implementation without
// ledgers; it registers its own cleaning up.
func Ledgers(t *testing.T, open func(t *testing.T) bk.Ledgers) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, l bk.Ledgers)
	}{
		{"empty", ledgersEmpty},
		{"add and read", ledgersAddRead},
		{"read limits", ledgersReadLimits},
		{"head and body", ledgersHeadBody},
		{"lent until done", ledgersLent},
		{"closed", ledgersClosed},
		{"close fails pending", ledgersCloseFailsPending},
		{"recovery fences", ledgersRecoveryFences},
		{"recovery races", ledgersRecoveryRaces},
		{"open without recovery", ledgersTail},
		{"delete", ledgersDelete},
		{"ids", ledgersIDs},
		{"several writers", ledgersSeveralWriters},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// LedgerOptions are what the suite creates its ledgers with: Pulsar's defaults on one bookie.
func LedgerOptions() bk.CreateOptions {
	return bk.CreateOptions{
		Quorum: bk.Quorum{Ensemble: 1, Write: 1, Ack: 1},
		Digest: bk.DigestCRC32C,
		Custom: map[string][]byte{"application": []byte("pulsar")},
	}
}

// Adder submits adds to a ledger and judges their completions. It is the AddsDone of what it submits.
type Adder struct {
	t testing.TB
	l bk.Ledger

	mu      sync.Mutex
	changed *sync.Cond
	sent    int
	done    []*bk.Add // in order of completion
	seen    map[*bk.Add]bool
	acked   int64 // the highest entry completed without error
	failed  error // the first error
}

// NewAdder returns an Adder for l.
func NewAdder(t testing.TB, l bk.Ledger) *Adder {
	a := &Adder{t: t, l: l, seen: map[*bk.Add]bool{}, acked: bk.NoEntry}
	a.changed = sync.NewCond(&a.mu)
	return a
}

// Submit hands payloads to the ledger in one call.
func (a *Adder) Submit(payloads ...[]byte) {
	adds := make([]*bk.Add, len(payloads))
	for i, p := range payloads {
		adds[i] = &bk.Add{Body: bk.Bytes(p), Done: a}
	}
	a.SubmitAdds(adds...)
}

// SubmitAdds hands adds to the ledger in one call.
func (a *Adder) SubmitAdds(adds ...*bk.Add) {
	for _, add := range adds {
		add.Done = a
	}
	a.mu.Lock()
	a.sent += len(adds)
	a.mu.Unlock()
	a.l.Add(adds)
}

// AddsDone implements bk.AddsDone.
func (a *Adder) AddsDone(done []*bk.Add) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); strings.Contains(f.Function, "(*Adder).SubmitAdds") {
			a.t.Error("an add was completed on the stack of Add's caller")
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range done {
		if a.seen[d] {
			a.t.Errorf("entry %d was completed twice", d.Entry)
		}
		a.seen[d] = true
		a.done = append(a.done, d)
		if d.Err != nil {
			if a.failed == nil {
				a.failed = d.Err
			}
			continue
		}
		if a.failed != nil {
			a.t.Errorf("entry %d was acknowledged behind the error %v", d.Entry, a.failed)
		}
		if d.Entry != a.acked+1 {
			a.t.Errorf("entry %d was acknowledged behind entry %d", d.Entry, a.acked)
		}
		a.acked = d.Entry
	}
	a.changed.Broadcast()
}

// Wait returns when everything submitted has been completed: the highest acknowledged entry, and the first error.
func (a *Adder) Wait() (acked int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.done) < a.sent {
		a.changed.Wait()
	}
	return a.acked, a.failed
}

// Acked is the highest entry acknowledged so far.
func (a *Adder) Acked() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked
}

// ReadAll reads a ledger's confirmed entries.
func ReadAll(t testing.TB, l bk.Ledger) [][]byte {
	t.Helper()
	lac, length := l.LastConfirmed()
	var out [][]byte
	var sum int64
	for next := int64(0); next <= lac; {
		entries, err := l.Read(context.Background(), next, lac, 64<<10)
		if err != nil {
			t.Fatalf("reading from entry %d of %d: %v", next, lac, err)
		}
		if len(entries) == 0 {
			t.Fatalf("reading from entry %d of %d: neither entries nor an error", next, lac)
		}
		for _, e := range entries {
			if e.Ledger != l.ID() || e.Entry != next {
				t.Fatalf("asked for %d:%d, got %d:%d", l.ID(), next, e.Ledger, e.Entry)
			}
			out = append(out, bytes.Clone(e.Payload.B))
			sum += int64(len(e.Payload.B))
			e.Payload.Release()
			next++
		}
	}
	if sum != length {
		t.Errorf("ledger %d: entries have %d bytes, its length is %d", l.ID(), sum, length)
	}
	return out
}

func create(t testing.TB, l bk.Ledgers) bk.Ledger {
	t.Helper()
	w, err := l.Create(context.Background(), LedgerOptions())
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return w
}

func reopen(t testing.TB, l bk.Ledgers, id int64, recover bool) bk.Ledger {
	t.Helper()
	r, err := l.Open(context.Background(), id, recover)
	if err != nil {
		t.Fatalf("open %d (recover: %v): %v", id, recover, err)
	}
	return r
}

func closeLedger(t testing.TB, l bk.Ledger) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatalf("close %d: %v", l.ID(), err)
	}
}

func wantEntries(t testing.TB, l bk.Ledger, want [][]byte) {
	t.Helper()
	got := ReadAll(t, l)
	if len(got) != len(want) {
		t.Fatalf("ledger %d has %d entries, want %d", l.ID(), len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("ledger %d entry %d: read %d bytes that are not the %d added", l.ID(), i, len(got[i]), len(want[i]))
		}
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// payloads are n payloads of many sizes, the empty one included.
func payloads(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = bytes.Repeat([]byte(fmt.Sprintf("%d.", i)), (i*37)%301)
	}
	return out
}

func ledgersEmpty(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	if e, n := w.LastConfirmed(); e != bk.NoEntry || n != 0 {
		t.Errorf("a new ledger is confirmed up to %d with %d bytes", e, n)
	}
	_, err := w.Read(context.Background(), 0, 0, 1)
	wantErr(t, "read of an empty ledger", err, bk.ErrNoEntry)
	closeLedger(t, w)
	for _, recover := range []bool{false, true} {
		r := reopen(t, l, w.ID(), recover)
		wantEntries(t, r, nil)
		closeLedger(t, r)
	}
	_, err = l.Open(context.Background(), w.ID()+1000, true)
	wantErr(t, "open of a ledger that is not there", err, bk.ErrNoLedger)
}

func ledgersAddRead(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	a := NewAdder(t, w)
	all := payloads(1000)
	for i := 0; i < len(all); {
		n := min(1+i%17, len(all)-i)
		a.Submit(all[i : i+n]...)
		i += n
	}
	if acked, err := a.Wait(); err != nil || acked != int64(len(all)-1) {
		t.Fatalf("acknowledged up to %d, %v", acked, err)
	}
	wantEntries(t, w, all)
	a.Submit([]byte("one more"))
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	all = append(all, []byte("one more"))
	wantEntries(t, w, all)
	closeLedger(t, w)
	wantEntries(t, reopen(t, l, w.ID(), false), all)
	wantEntries(t, reopen(t, l, w.ID(), true), all)
}

func ledgersReadLimits(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	a := NewAdder(t, w)
	for range 10 {
		a.Submit(make([]byte, 100))
	}
	a.Submit(make([]byte, 100_000))
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		first, last int64
		maxBytes    int
		want        int
		err         error
	}{
		{0, 9, 1 << 20, 10, nil},
		{0, 9, 1000, 10, nil},
		{0, 9, 250, 2, nil},
		{0, 9, 0, 1, nil},
		{3, 3, 1 << 20, 1, nil},
		{9, math.MaxInt64, 5000, 1, nil},
		{10, 10, 1, 1, nil},
		{10, 12, 1 << 20, 1, nil},
		{11, 12, 1 << 20, 0, bk.ErrNoEntry},
		{-1, 3, 1 << 20, 0, bk.ErrBadRequest},
		{3, 2, 1 << 20, 0, bk.ErrBadRequest},
	} {
		got, err := w.Read(context.Background(), c.first, c.last, c.maxBytes)
		// Fewer than fit is allowed (replicas are striped, headers may count), none is not.
		if len(got) > c.want || len(got) == 0 && c.want > 0 || !errors.Is(err, c.err) {
			t.Errorf("read %d to %d, %d bytes: %d entries, %v; want up to %d, %v", c.first, c.last, c.maxBytes, len(got), err, c.want, c.err)
		}
		for _, e := range got {
			e.Payload.Release()
		}
	}
}

func ledgersHeadBody(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	a := NewAdder(t, w)
	a.SubmitAdds(&bk.Add{Head: []byte("head,"), Body: bk.Bytes([]byte("body"))}, &bk.Add{Head: []byte("head only")}, &bk.Add{})
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, w, [][]byte{[]byte("head,body"), []byte("head only"), nil})
}

// ledgersLent gives the payloads' memory away at completion, as a broker does.
func ledgersLent(t *testing.T, l bk.Ledgers) {
	bk.PoisonSlabs(true)
	defer bk.PoisonSlabs(false)
	w := create(t, l)
	all := payloads(200)
	for _, p := range all {
		slab := bk.NewSlab(len(p))
		add := &bk.Add{Body: slab.Buf(0, copy(slab.Bytes(), p))}
		slab.Release()
		a := NewAdder(t, w)
		a.acked, _ = w.LastConfirmed()
		a.SubmitAdds(add)
		if _, err := a.Wait(); err != nil {
			t.Fatal(err)
		}
		add.Body.Release()
	}
	wantEntries(t, w, all)
}
