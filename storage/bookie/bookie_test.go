package bookie

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/storagetest"
)

var (
	ourKey   = bkwire.MasterKey(nil)
	otherKey = bkwire.MasterKey([]byte("other"))
	digester = func() bkwire.Digester { d, _ := bkwire.NewDigester(bk.DigestCRC32C, nil); return d }()
)

// answers collects the answers to adds.
type answers struct {
	t  testing.TB
	mu sync.Mutex
	c  *sync.Cond

	sent int
	done []*bk.BookieAdd
	onDo func([]*bk.BookieAdd)
}

func newAnswers(t testing.TB) *answers {
	a := &answers{t: t}
	a.c = sync.NewCond(&a.mu)
	return a
}

func (a *answers) BookieAddsDone(done []*bk.BookieAdd) {
	a.mu.Lock()
	a.done = append(a.done, done...)
	a.c.Broadcast()
	a.mu.Unlock()
	if a.onDo != nil {
		a.onDo(done)
	}
}

func (a *answers) add(l *Local, ops ...*bk.BookieAdd) {
	a.mu.Lock()
	a.sent += len(ops)
	a.mu.Unlock()
	for _, op := range ops {
		op.Done = a
	}
	l.Add(ops)
}

// wait returns all answers so far once everything was answered.
func (a *answers) wait() []*bk.BookieAdd {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.done) < a.sent {
		a.c.Wait()
	}
	return slices.Clone(a.done)
}

// codes is "ENTRY:CODE" of all answers, in their order.
func (a *answers) codes() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := ""
	for _, d := range a.done {
		s += fmt.Sprintf("%d:%d ", d.Entry, d.Err)
	}
	return s
}

func entry(ledger, id int64) *bk.BookieAdd {
	body := fmt.Appendf(nil, "payload of %d:%d", ledger, id)
	h := bkwire.Header{Ledger: ledger, Entry: id, LAC: id - 1, Length: 1}
	return &bk.BookieAdd{Ledger: ledger, Entry: id, MasterKey: ourKey, Head: digester.AppendHead(nil, h, nil, body), Body: bk.Bytes(body)}
}

func recoveryEntry(ledger, id int64) *bk.BookieAdd {
	op := entry(ledger, id)
	op.Flags = bk.FlagRecoveryAdd
	return op
}

func newBookie(t testing.TB, o Options) (*Bookie, *storagetest.MapStore, *Local) {
	s := storagetest.NewMapStore(t)
	b := New("b", s, o)
	t.Cleanup(func() { b.Close() })
	return b, s, b.Local()
}

// lastEntry is the id of the last entry as a reader is told, or the code of the refusal.
func lastEntry(t testing.TB, l *Local, ledger int64, flags bk.Flags, key [20]byte) (int64, bk.Code) {
	t.Helper()
	got, err := l.Read(context.Background(), bk.BookieRead{Ledger: ledger, First: bk.NoEntry, Last: bk.NoEntry, Flags: flags, MasterKey: key})
	if err != nil {
		return -1, code(err)
	}
	defer got[0].Payload.Release()
	h, _, err := digester.Verify(ledger, bk.NoEntry, got[0].Payload.B)
	if err != nil {
		t.Fatal(err)
	}
	return h.Entry, bk.OK
}

func wantLast(t testing.TB, l *Local, ledger int64, flags bk.Flags, key [20]byte, want int64, wantCode bk.Code) {
	t.Helper()
	if got, c := lastEntry(t, l, ledger, flags, key); got != want || c != wantCode {
		t.Errorf("last entry %d, code %d; want %d, code %d", got, c, want, wantCode)
	}
}

func TestAddAndRead(t *testing.T) {
	b, _, l := newBookie(t, Options{})
	a := newAnswers(t)
	for i := range int64(100) {
		a.add(l, entry(7, 2*i), entry(7, 2*i+1), entry(8, i))
	}
	defer func() {
		if m := b.Metrics(); m.Entries != 300 || m.QueueBytes != 0 || m.Ledgers != 2 || m.Connections != 1 {
			t.Errorf("metrics %+v", m)
		}
	}()
	for _, d := range a.wait() {
		if d.Err != bk.OK {
			t.Fatalf("entry %d:%d: %v", d.Ledger, d.Entry, d.Err)
		}
	}
	wantLast(t, l, 7, 0, ourKey, 199, bk.OK)
	got, err := l.Read(context.Background(), bk.BookieRead{Ledger: 8, First: 10, Last: 1000, MaxBytes: 1 << 20})
	if err != nil || len(got) != 90 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i, e := range got {
		if _, _, err := digester.Verify(8, 10+int64(i), e.Payload.B); err != nil {
			t.Error(err)
		}
		e.Payload.Release()
	}
	wantLast(t, l, 99, 0, ourKey, -1, bk.ErrNoLedger)
	for _, r := range []bk.BookieRead{{Ledger: 8, First: -2, Last: 0}, {Ledger: 8, First: 5, Last: 4}, {Ledger: 8, First: -1, Last: 3}} {
		if _, err := l.Read(context.Background(), r); code(err) != bk.ErrBadRequest {
			t.Errorf("read %d to %d: %v", r.First, r.Last, err)
		}
	}
}

func TestMasterKey(t *testing.T) {
	_, s, l := newBookie(t, Options{})
	a := newAnswers(t)
	stranger := entry(7, 1)
	stranger.MasterKey = otherKey
	a.add(l, entry(7, 0), stranger, entry(7, 2))
	a.wait()
	if got := a.codes(); got != "0:0 1:102 2:0 " {
		t.Error(got)
	}
	wantLast(t, l, 7, bk.FlagFence, otherKey, -1, bk.ErrUnauthorized)
	wantLast(t, l, 7, bk.FlagFence, [20]byte{}, -1, bk.ErrUnauthorized)
	a.add(l, entry(7, 3)) // the stranger fenced nothing
	a.wait()
	wantLast(t, l, 7, 0, ourKey, 3, bk.OK)

	// The key is durable with the first entry.
	again := New("b", s.Crash(t), Options{})
	t.Cleanup(func() { again.Close() })
	l = again.Local()
	stranger = entry(7, 4)
	stranger.MasterKey = otherKey
	a = newAnswers(t)
	a.add(l, stranger)
	a.wait()
	if got := a.codes(); got != "4:102 " {
		t.Error(got)
	}
}

func TestFence(t *testing.T) {
	_, s, l := newBookie(t, Options{})
	a := newAnswers(t)
	a.add(l, entry(7, 0))
	a.wait()
	wantLast(t, l, 7, bk.FlagFence, ourKey, 0, bk.OK)
	a.add(l, entry(7, 1), recoveryEntry(7, 1), entry(7, 2))
	a.wait()
	if got := a.codes(); got != "0:0 1:104 1:0 2:104 " {
		t.Error(got)
	}
	wantLast(t, l, 7, bk.FlagFence, ourKey, 1, bk.OK)

	// A ledger that was never seen is fenced, too, and its key is fixed.
	wantLast(t, l, 8, bk.FlagFence, ourKey, -1, bk.ErrNoEntry)
	a = newAnswers(t)
	a.add(l, entry(8, 0))
	a.wait()
	if got := a.codes(); got != "0:104 " {
		t.Error(got)
	}

	// Both outlive a crash.
	again := New("b", s.Crash(t), Options{})
	t.Cleanup(func() { again.Close() })
	l = again.Local()
	a = newAnswers(t)
	a.add(l, entry(7, 2), entry(8, 0), recoveryEntry(8, 0))
	a.wait()
	if got := a.codes(); got != "2:104 0:104 0:0 " {
		t.Error(got)
	}
}

// TestFenceIsDurableFirst: a fence that is not on disk is not answered, and when it is answered every add that was let
// through before it can be read.
func TestFenceIsDurableFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, l := newBookie(t, Options{})
		a := newAnswers(t)
		a.add(l, entry(7, 0))
		a.wait()
		s.Hold()
		a.add(l, entry(7, 1))
		var fenced []int64
		var mu sync.Mutex
		for range 2 {
			go func() {
				last, c := lastEntry(t, l, 7, bk.FlagFence, ourKey)
				if c != bk.OK {
					t.Errorf("code %d", c)
				}
				mu.Lock()
				fenced = append(fenced, last)
				mu.Unlock()
			}()
		}
		synctest.Wait()
		a.add(l, entry(7, 2))
		synctest.Wait()
		if len(fenced) > 0 {
			t.Error("a fence was answered before it was durable")
		}
		if got := a.codes(); got != "0:0 " {
			t.Errorf("answers while the disk stands still: %s", got)
		}
		s.Unhold()
		synctest.Wait()
		if !slices.Equal(fenced, []int64{1, 1}) {
			t.Errorf("the fencing reads saw %v, want entry 1", fenced)
		}
		if got := a.codes(); got != "0:0 1:0 2:104 " {
			t.Errorf("answers: %s", got)
		}
		if got := s.Fences(); got != 1 {
			t.Errorf("two who fence at once made %d records", got)
		}
	})
}

func TestFenceThatFails(t *testing.T) {
	_, s, l := newBookie(t, Options{})
	a := newAnswers(t)
	a.add(l, entry(7, 0))
	a.wait()
	fail := bk.ErrIO
	var mu sync.Mutex
	s.Fail = func(r *bk.Record) bk.Code {
		mu.Lock()
		defer mu.Unlock()
		if r.Kind == bk.RecordFence {
			return fail
		}
		return bk.OK
	}
	wantLast(t, l, 7, bk.FlagFence, ourKey, -1, bk.ErrIO)
	a.add(l, entry(7, 1))
	a.wait()
	if got := a.codes(); got != "0:0 1:104 " {
		t.Errorf("after a fence of which nobody knows: %s", got)
	}
	mu.Lock()
	fail = bk.OK
	mu.Unlock()
	wantLast(t, l, 7, bk.FlagFence, ourKey, 0, bk.OK)
}

// TestFenceRace: writers run while a fence comes. Everything that is ever acknowledged was there when the fence was
// answered.
func TestFenceRace(t *testing.T) {
	for range 50 {
		_, _, l := newBookie(t, Options{})
		a := newAnswers(t)
		var wg sync.WaitGroup
		start := make(chan struct{})
		wg.Go(func() {
			close(start)
			for i := range int64(300) {
				a.add(l, entry(7, i))
			}
		})
		<-start
		var last int64
		wg.Go(func() { last, _ = lastEntry(t, l, 7, bk.FlagFence, ourKey) })
		wg.Wait()
		for _, d := range a.wait() {
			if d.Err == bk.OK && d.Entry > last {
				t.Fatalf("entry %d was acknowledged, the fence saw %d as the last", d.Entry, last)
			}
		}
	}
}

// TestOrder: a refusal does not overtake adds that the disk still has.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, l := newBookie(t, Options{})
		a := newAnswers(t)
		a.add(l, entry(7, 0))
		a.wait()
		s.Hold()
		stranger := entry(7, 2)
		stranger.MasterKey = otherKey
		a.add(l, entry(7, 1), stranger, entry(7, 3))
		synctest.Wait()
		if got := a.codes(); got != "0:0 " {
			t.Errorf("while the disk stands still: %s", got)
		}
		s.Unhold()
		synctest.Wait()
		if got := a.codes(); got != "0:0 1:0 2:102 3:0 " {
			t.Error(got)
		}
	})
}

func TestByteCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bk.PoisonSlabs(true)
		defer bk.PoisonSlabs(false)
		before := bk.SlabBytesInUse()
		_, s, l := newBookie(t, Options{QueueBytes: 10_000})
		a := newAnswers(t)
		s.Hold()
		for i := range int64(4) {
			slab := bk.NewSlab(4000)
			op := entry(7, i)
			op.Head, op.Body = nil, slab.Buf(0, 4000)
			a.add(l, op)
			op.Body.Release()
			slab.Release()
		}
		synctest.Wait()
		if got := a.codes(); got != "2:106 3:106 " {
			t.Errorf("while the disk stands still: %s", got)
		}
		if held := bk.SlabBytesInUse() - before; held != 2*4096 {
			t.Errorf("%d bytes of slabs are held, want those of two entries", held)
		}
		s.Unhold()
		synctest.Wait()
		if got := a.codes(); got != "2:106 3:106 0:0 1:0 " {
			t.Error(got)
		}
		if held := bk.SlabBytesInUse() - before; held != 0 {
			t.Errorf("%d bytes of slabs are still held", held)
		}
		big := entry(7, 4)
		big.Body = bk.Bytes(make([]byte, 20_000))
		a.add(l, big)
		synctest.Wait()
		if got := a.codes(); got != "2:106 3:106 0:0 1:0 4:0 " {
			t.Errorf("a large entry on an idle connection: %s", got)
		}
	})
}

func TestReadOnlyBookie(t *testing.T) {
	b, s, l := newBookie(t, Options{})
	a := newAnswers(t)
	a.add(l, entry(7, 0))
	a.wait()
	full := errors.New("disk full")
	s.SetReadOnly(full)
	a.add(l, entry(7, 1), recoveryEntry(7, 1))
	a.wait()
	if got := a.codes(); got != "0:0 1:105 1:105 " {
		t.Error(got)
	}
	if b.ReadOnly() != full {
		t.Error(b.ReadOnly())
	}
	wantLast(t, l, 7, bk.FlagFence, ourKey, 0, bk.OK) // fences go on
}

func TestLimbo(t *testing.T) {
	_, s, l := newBookie(t, Options{})
	a := newAnswers(t)
	a.add(l, entry(7, 0), entry(7, 1), entry(7, 2))
	a.wait()
	s.Lose(7, 2, true)
	wantLast(t, l, 7, 0, ourKey, -1, bk.ErrLimbo)
	if _, err := l.Read(context.Background(), bk.BookieRead{Ledger: 7, First: 2, Last: 2}); code(err) != bk.ErrLimbo {
		t.Error(err)
	}
	got, err := l.Read(context.Background(), bk.BookieRead{Ledger: 7, First: 1, Last: 2, MaxBytes: 1 << 20})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	got[0].Payload.Release()
}

// lossy is a store that lost a part of its log: what it does not know may have been here.
type lossy struct{ Store }

func (l lossy) Ledger(ledger int64) (bk.LedgerState, error) {
	state, err := l.Store.Ledger(ledger)
	state.Limbo = err != nil
	return state, err
}

// TestLostLog: after a loss a bookie begins new ledgers; the middle of one that it does not know it leaves to others, unless
// a recovery writes it.
func TestLostLog(t *testing.T) {
	b := New("b", lossy{storagetest.NewMapStore(t)}, Options{})
	t.Cleanup(func() { b.Close() })
	l := b.Local()
	a := newAnswers(t)
	a.add(l, entry(7, 0), entry(7, 1))
	a.add(l, entry(8, 5))
	a.add(l, recoveryEntry(9, 5))
	a.wait()
	codes := map[int64]bk.Code{}
	for _, d := range a.done {
		codes[d.Ledger*10+d.Entry] = d.Err
	}
	if codes[70] != bk.OK || codes[71] != bk.OK || codes[85] != bk.ErrLimbo || codes[95] != bk.OK {
		t.Errorf("answers %v", codes)
	}
}

func TestClose(t *testing.T) {
	b, _, l := newBookie(t, Options{})
	a := newAnswers(t)
	for i := range int64(50) {
		a.add(l, entry(7, i))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(a.done); got != 50 {
		t.Errorf("Close returned with %d of 50 adds answered", got)
	}
	a.add(l, entry(7, 50))
	if _, err := l.Read(context.Background(), bk.BookieRead{Ledger: 7, First: 0, Last: 0}); code(err) != bk.ErrUnavailable {
		t.Error(err)
	}
	if err := errors.Join(b.Close(), l.Close()); err != nil {
		t.Error(err)
	}
}

// TestManyLedgers: states are dropped from memory and found again in the store.
func TestManyLedgers(t *testing.T) {
	b, _, l := newBookie(t, Options{})
	a := newAnswers(t)
	const n = maxStates + 1000
	for i := range int64(n) {
		a.add(l, entry(i, 0))
	}
	a.wait()
	b.mu.Lock()
	states := len(b.states)
	b.mu.Unlock()
	if states > maxStates {
		t.Errorf("%d states are kept", states)
	}
	wantLast(t, l, 0, bk.FlagFence, otherKey, -1, bk.ErrUnauthorized)
	wantLast(t, l, 0, bk.FlagFence, ourKey, 0, bk.OK)
}

func BenchmarkLocalAdd(b *testing.B) {
	store := storagetest.NewMapStore(b)
	store.Fail = func(*bk.Record) bk.Code { return bk.ErrTooMany } // nothing is kept
	bookie := New("b", store, Options{})
	defer bookie.Close()
	l := bookie.Local()
	a := newAnswers(b)
	free := make(chan *bk.BookieAdd, 64)
	for range 64 {
		free <- entry(7, 0)
	}
	a.onDo = func(done []*bk.BookieAdd) {
		a.mu.Lock()
		a.done = a.done[:0]
		a.mu.Unlock()
		for _, d := range done {
			free <- d
		}
	}
	list := make([]*bk.BookieAdd, 1)
	b.ReportAllocs()
	for b.Loop() {
		list[0] = <-free
		list[0].Done = a
		l.Add(list)
	}
}
