package segment

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// someLists appends random lists and waits for them.
func someLists(l *Log, m *model, r *rand.Rand, n int) {
	for range n {
		l.Append(m.submit(r, 4))
		limit := r.IntN(30)
		m.await(limit)
	}
	m.await(0)
}

// await waits until at most so many records are on their way.
func (m *model) await(limit int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.pending > limit {
		m.cond.Wait()
	}
}

func randomOptions(r *rand.Rand) Options {
	return Options{SegmentBytes: 16<<10 + r.Int64N(48<<10), indexBytes: 4<<10 + r.Int64N(16<<10), ReserveBytes: -1, chunk: 1<<10 + r.IntN(32<<10)}
}

// failedSync has a sync of a segment fail at a random moment, sometimes without anybody being able to note it, starts the log again on what the
// kernel shows, and then cuts the power.
func failedSync(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 2))
	o := randomOptions(r)
	fs, m := vfs.NewMem(), newModel()
	mark := &marks{}
	o.FS, o.Watermark = fs, mark.watermark()
	last := uint64(1) // generation
	for life := range 3 {
		if r.IntN(2) == 0 {
			fs.Inject(&vfs.Fault{Op: vfs.OpSync, Name: "*.seg", Skip: 2 + r.IntN(60), Count: 1, Err: syscall.EIO})
		} else { // the first of a segment, behind that of its header
			fs.Inject(&vfs.Fault{Op: vfs.OpSync, Name: segmentName(last + 1 + r.Uint64N(3)), Skip: 1, Count: 1, Err: syscall.EIO})
		}
		if r.IntN(2) == 0 {
			fs.Inject(&vfs.Fault{Op: vfs.OpCreate, Name: "failed*", Err: syscall.EIO})
		}
		l, err := Open("log", o)
		if err != nil {
			fs.Heal() // the start met the fault
			continue
		}
		if err := m.check(l); err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
		someLists(l, m, r, 20+r.IntN(80))
		if err := l.Close(); err != nil {
			return err
		}
		last = l.generation
		fs.Heal()
		if life == 1 {
			continue // the process is killed, not the machine
		}
		// What a start shows must stay.
		if l, err = Open("log", o); err != nil {
			return fmt.Errorf("life %d, after the fault: %w", life, err)
		}
		if err := m.check(l); err != nil {
			return fmt.Errorf("life %d, after the fault: %w", life, err)
		}
		saved := mark.clone()
		left := fs.CrashClone(vfs.Crash{Rand: r, Keep: r.Float64() * float64(r.IntN(2))})
		if err := l.Close(); err != nil {
			return err
		}
		mark = &saved
		fs, o.FS, o.Watermark = left, left, mark.watermark()
	}
	l, err := Open("log", o)
	if err != nil {
		return err
	}
	defer l.Close()
	return m.check(l)
}

// rot damages a few bytes of a log that was closed in order: what is damaged answers an error, and the log says so; nothing else is lost.
func rot(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 3))
	o := randomOptions(r)
	fs, m := vfs.NewMem(), newModel()
	o.FS, o.Watermark = fs, new(marks).watermark()
	l, err := Open("log", o)
	if err != nil {
		return err
	}
	someLists(l, m, r, 20+r.IntN(100))
	spare := mark{generation: math.MaxUint64} // nothing
	if r.IntN(2) == 0 {
		// Without a watermark nothing but what lies behind tells that damaged bytes were durable; so something lies behind, and is spared.
		o.Watermark, spare = Watermark{}, l.head()
		if c := appendAll(l, entry(1<<40, 0, 100)); c[0] != bk.OK {
			return c[0]
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	for range 1 + r.IntN(3) {
		if err := damageSome(fs, r, spare); err != nil {
			return err
		}
	}
	if l, err = Open("log", o); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer l.Close()
	return m.checkRotten(l)
}

// damageSome changes a byte of some segment, but none behind spare.
func damageSome(fs *vfs.Mem, r *rand.Rand, spare mark) error {
	names, err := fs.List("log")
	if err != nil {
		return err
	}
	var segments []string
	for _, n := range names {
		if strings.HasSuffix(n, ".seg") {
			segments = append(segments, n)
		}
	}
	name := segments[r.IntN(len(segments))]
	g, _ := generationOf(name)
	f, err := fs.Open("log/" + name)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil || size == 0 {
		return err
	}
	b, at := make([]byte, 1), r.Int64N(size)
	if spare.before(mark{generation: g, synced: at + 1}) {
		return nil
	}
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 1 << r.IntN(8)
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Sync())
}

// checkRotten compares a log of which a few bytes are damaged with what was acknowledged.
func (m *model) checkRotten(l *Log) error {
	for id, ml := range m.ledgers {
		if ml.deleting {
			continue
		}
		for e := range ml.acked {
			got, err := l.Read(id, e, e, 1)
			switch {
			case err == nil:
				same := string(got[0].Payload.B) == string(body(id, e, ml.sizes[e]))
				got[0].Payload.Release()
				if !same {
					return fmt.Errorf("ledger %d entry %d: damaged bytes are delivered", id, e)
				}
			case errors.Is(err, bk.ErrNoEntry), errors.Is(err, bk.ErrNoLedger):
				return fmt.Errorf("ledger %d entry %d was acknowledged and is said not to be there: %w", id, e, err)
			case l.ReadOnly() == nil && l.Limbo() == nil:
				return fmt.Errorf("ledger %d entry %d: %w, and the log says nothing of damage", id, e, err)
			}
		}
		st, err := l.Ledger(id)
		switch {
		case !ml.fenced:
		case err != nil && !st.Limbo:
			return fmt.Errorf("ledger %d was fenced: %w", id, err)
		case err == nil && !st.Fenced && !st.Limbo:
			return fmt.Errorf("ledger %d: the fence is lost", id)
		}
	}
	return nil
}

func TestFailedSyncs(t *testing.T) {
	for seed := range uint64(2 * *crashSeeds) {
		if err := failedSync(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestRot(t *testing.T) {
	for seed := range uint64(5 * *crashSeeds) {
		if err := rot(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
