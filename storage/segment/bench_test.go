package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// flights submits records and lets at most so many be on their way, as a ledger client does.
type flights struct {
	mu   sync.Mutex
	cond *sync.Cond
	free [][]*bk.Record
	bad  bk.Code
}

// RecordsDone puts the lists back; each list is one Append and comes back whole or in parts.
func (w *flights) RecordsDone(done []*bk.Record) {
	w.mu.Lock()
	for _, r := range done {
		if r.Err != bk.OK {
			w.bad = r.Err
		}
		list := r.Ctx.(*flight)
		if list.left--; list.left == 0 {
			list.left = len(list.records)
			w.free = append(w.free, list.records)
		}
	}
	w.cond.Signal()
	w.mu.Unlock()
}

type flight struct {
	records []*bk.Record
	left    int
}

func newFlights(lists, batch, size int) *flights {
	w := &flights{}
	w.cond = sync.NewCond(&w.mu)
	head := body(1, 1, 64)
	payload := bk.Bytes(body(1, 2, max(0, size-64)))
	for range lists {
		f := &flight{left: batch}
		for range batch {
			f.records = append(f.records, &bk.Record{Kind: bk.RecordEntry, Head: head[:min(64, size)], Body: payload, Done: w, Ctx: f})
		}
		w.free = append(w.free, f.records)
	}
	return w
}

func (w *flights) take() []*bk.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.free) == 0 {
		w.cond.Wait()
	}
	n := len(w.free) - 1
	l := w.free[n]
	w.free = w.free[:n]
	return l
}

func (w *flights) drain(lists int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.free) < lists {
		w.cond.Wait()
	}
}

func benchLog(b *testing.B, o Options) *Log {
	b.Helper()
	l, err := Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// BenchmarkAppend is the maximum rate of durable entries; the floor is the sync loop of BenchmarkSyncFloor.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ size, batch int }{{100, 1}, {1024, 1}, {1024, 50}, {51200, 1}} {
		b.Run(fmt.Sprintf("%dx%d", c.size, c.batch), func(b *testing.B) {
			l := benchLog(b, Options{})
			const lists = 256
			w := newFlights(lists, c.batch, c.size)
			var ids [64]int64
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			b.ResetTimer()
			ledger := 0
			for n := 0; n < b.N; n += c.batch {
				list := w.take()
				ledger = (ledger + 1) % len(ids)
				for _, r := range list {
					r.Ledger, r.Entry = int64(ledger), ids[ledger]
					ids[ledger]++
				}
				l.Append(list)
			}
			w.drain(lists)
			b.StopTimer()
			if w.bad != bk.OK {
				b.Fatal(w.bad)
			}
			m := l.Metrics()
			b.ReportMetric(float64(b.N)/float64(m.Syncs), "entries/sync")
			b.ReportMetric(float64(m.WrittenBytes)/float64(int64(b.N)*int64(c.size)), "bytes/byte")
		})
	}
}

// BenchmarkSyncFloor is a bare write and fdatasync of so many bytes, appended.
func BenchmarkSyncFloor(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			file, err := vfs.OS.Create(filepath.Join(b.TempDir(), "floor"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			buf := body(1, 1, size)
			b.SetBytes(int64(size))
			for i := range b.N {
				if _, err := file.WriteAt(buf, int64(i)*int64(size)); err != nil {
					b.Fatal(err)
				}
				if err := file.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppendLatency is one entry of 1 KiB at a time: one group, one sync each.
func BenchmarkAppendLatency(b *testing.B) {
	l := benchLog(b, Options{})
	w := newFlights(1, 1, 1024)
	b.ReportAllocs()
	for n := range b.N {
		list := w.take()
		list[0].Entry = int64(n)
		l.Append(list)
	}
	w.drain(1)
}

const backlogBytes = 1 << 30

// BenchmarkBacklog reads 1 GiB of sealed segments, once as one ledger and once as a thousand interleaved ones, against plain
// readers of framed entries from one file: one that only copies them out, and one that verifies a checksum each.
func BenchmarkBacklog(b *testing.B) {
	const size = 1024
	const n = backlogBytes / size
	b.Run("plain", func(b *testing.B) { plainBacklog(b, n, size, false) })
	b.Run("plain verified", func(b *testing.B) { plainBacklog(b, n, size, true) })
	for _, ledgers := range []int{1, 1000} {
		l := benchLog(b, Options{})
		w := newFlights(64, 250, size)
		ids := make([]int64, ledgers)
		for i := 0; i < n; i += 250 {
			list := w.take()
			for j, r := range list {
				id := (i + j) % ledgers
				r.Ledger, r.Entry = int64(id), ids[id]
				ids[id]++
			}
			l.Append(list)
		}
		w.drain(64)
		await(b, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
		for _, reads := range []int{1000, 100, 1} {
			b.Run(fmt.Sprintf("ledgers=%d/entries=%d", ledgers, reads), func(b *testing.B) {
				b.SetBytes(backlogBytes)
				b.ReportAllocs()
				start, total := cpuTime(), 0
				for range b.N {
					total += readBacklog(b, l, ids, reads, size)
				}
				reportRate(b, total, start)
			})
		}
		l.Close()
	}
}

// readBacklog reads every entry, round robin over the ledgers, as many at once as a dispatcher asks for.
func readBacklog(b *testing.B, l *Log, ids []int64, reads, size int) int {
	total := 0
	next := make([]int64, len(ids))
	for left := len(ids); left > 0; {
		left = 0
		for id := range ids {
			if next[id] >= ids[id] {
				continue
			}
			left++
			got, err := l.Read(int64(id), next[id], min(next[id]+int64(reads), ids[id])-1, reads*(size+100))
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range got {
				e.Payload.Release()
			}
			next[id] += int64(len(got))
			total += len(got)
		}
	}
	return total
}

// plainBacklog reads framed entries (length, checksum, bytes) through a buffer of 1 MiB and copies each out.
func plainBacklog(b *testing.B, n, size int, verify bool) {
	f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var frame []byte
	for range 1000 {
		e := body(1, 1, size)
		frame = binary.LittleEndian.AppendUint32(frame, uint32(size))
		frame = binary.LittleEndian.AppendUint32(frame, crc32.Checksum(e, castagnoli))
		frame = append(frame, e...)
	}
	for i := 0; i < n; i += 1000 {
		if _, err := f.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	end, _ := f.Seek(0, 1)
	buf := make([]byte, 1<<20)
	out := make([]byte, size)
	b.ResetTimer()
	b.SetBytes(backlogBytes)
	start, total := cpuTime(), 0
	for range b.N {
		for at := int64(0); at < end; {
			got, _ := f.ReadAt(buf, at)
			p := 0
			for p+8 <= got {
				l := int(binary.LittleEndian.Uint32(buf[p:]))
				if p+8+l > got {
					break
				}
				e := buf[p+8:][:l]
				if verify && crc32.Checksum(e, castagnoli) != binary.LittleEndian.Uint32(buf[p+4:]) {
					b.Fatal("checksum")
				}
				copy(out, e)
				p += 8 + l
				total++
			}
			at += int64(p)
		}
	}
	reportRate(b, total, start)
}

// reportRate reports entries a second, of the clock and of this process's processor time: only the latter is the same on a busy
// machine.
func reportRate(b *testing.B, total int, start time.Duration) {
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(total)/(cpuTime()-start).Seconds(), "entries/cpu-s")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOpen is a start on an empty directory, and one behind a full segment's worth of groups.
func BenchmarkOpen(b *testing.B) {
	b.Run("empty", func(b *testing.B) {
		for range b.N {
			l := benchLog(b, Options{})
			l.Close()
		}
	})
	b.Run("behind 200 MiB", func(b *testing.B) {
		dir := b.TempDir()
		l, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		w := newFlights(64, 100, 1024)
		for e := int64(0); e < 200_000; {
			list := w.take()
			for _, r := range list {
				r.Entry = e
				e++
			}
			l.Append(list)
		}
		w.drain(64)
		l.Close()
		b.ResetTimer()
		for range b.N {
			l, err := Open(dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			l.Close()
		}
	})
}
