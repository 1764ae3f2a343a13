package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// waiter collects completions and lets a test wait for them.
type waiter struct {
	mu   sync.Mutex
	cond *sync.Cond
	done []*bk.Record
}

func newWaiter() *waiter {
	w := &waiter{}
	w.cond = sync.NewCond(&w.mu)
	return w
}

func (w *waiter) RecordsDone(done []*bk.Record) {
	w.mu.Lock()
	w.done = append(w.done, done...)
	w.cond.Broadcast()
	w.mu.Unlock()
}

// wait returns all completions once there are n.
func (w *waiter) wait(n int) []*bk.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.done) < n {
		w.cond.Wait()
	}
	return w.done
}

// body is the content that every test gives an entry, so that any copy can be checked.
func body(ledger, entry int64, size int) []byte {
	b := make([]byte, 0, size+8)
	r := rand.New(rand.NewPCG(uint64(ledger), uint64(entry)))
	for i := 0; i < size; i += 8 {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64()|1<<56|1<<48|1<<40|1<<32|1<<24|1<<16|1<<8|1)
	}
	return b[:size]
}

func entry(ledger, id int64, size int) *bk.Record {
	b := body(ledger, id, size)
	head := min(size, 32)
	return &bk.Record{Kind: bk.RecordEntry, Ledger: ledger, Entry: id, Head: b[:head], Body: bk.Bytes(b[head:])}
}

func key(ledger int64) *bk.Record {
	return &bk.Record{Kind: bk.RecordMasterKey, Ledger: ledger, Head: body(ledger, -1, 24)[:20]}
}

func fence(ledger int64) *bk.Record { return &bk.Record{Kind: bk.RecordFence, Ledger: ledger} }

func lac(ledger, v int64) *bk.Record {
	return &bk.Record{Kind: bk.RecordExplicitLAC, Ledger: ledger, Head: binary.BigEndian.AppendUint64(nil, uint64(v))}
}

func remove(ledger int64) *bk.Record { return &bk.Record{Kind: bk.RecordDelete, Ledger: ledger} }

// appendAll appends and waits; it returns the codes.
func appendAll(l *Log, records ...*bk.Record) []bk.Code {
	w := newWaiter()
	for _, r := range records {
		r.Done = w
	}
	l.Append(records)
	w.wait(len(records))
	codes := make([]bk.Code, len(records))
	for i, r := range records {
		codes[i] = r.Err
	}
	return codes
}

func mustAppend(t testing.TB, l *Log, records ...*bk.Record) {
	t.Helper()
	for i, c := range appendAll(l, records...) {
		if c != bk.OK {
			t.Fatalf("record %d: %v (%v)", i, c, l.ReadOnly())
		}
	}
}

func open(t testing.TB, fs vfs.FS, o Options) *Log {
	t.Helper()
	o.FS = fs
	l, err := Open("log", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkEntries reads first..last and compares every byte.
func checkEntries(t testing.TB, l *Log, ledger, first, last int64, size int) {
	t.Helper()
	for e := first; e <= last; {
		got, err := l.Read(ledger, e, last, 1<<20)
		if err != nil {
			t.Fatalf("read %d:%d: %v", ledger, e, err)
		}
		for _, g := range got {
			if g.Ledger != ledger || g.Entry != e {
				t.Fatalf("read %d:%d gave %d:%d", ledger, e, g.Ledger, g.Entry)
			}
			if string(g.Payload.B) != string(body(ledger, e, size)) {
				t.Fatalf("read %d:%d: other bytes", ledger, e)
			}
			g.Payload.Release()
			e++
		}
	}
}

func wantCode(t testing.TB, err error, want bk.Code) {
	t.Helper()
	var c bk.Code
	if !errors.As(err, &c) || c != want {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func gosched() { runtime.Gosched() }

// rehash makes the checksum of a changed header right again.
func rehash(h []byte) {
	clear(h[12:16])
	binary.LittleEndian.PutUint32(h[12:], crc32.Checksum(h[:headerSize], castagnoli))
}

func putSum(b []byte, sum uint32) { binary.LittleEndian.PutUint32(b, sum) }
