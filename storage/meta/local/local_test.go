package local_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/local"
	"github.com/strobemq/strobe/storage/storagetest"
)

func open(t *testing.T, o local.Options) *local.Store {
	t.Helper()
	s, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storagetest.Meta(t, func(t *testing.T) meta.Store { return open(t, local.Options{Dir: t.TempDir()}) })
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, local.Options{Dir: dir})
	first, err := s.Put(t.Context(), "/kept", []byte("data"), meta.Absent)
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(t.Context(), "/lock", nil); err != nil {
		t.Fatal(err)
	}
	id, err := s.Sequence(t.Context(), "/ids")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, local.Options{Dir: dir})
	if v, err := s.Get(t.Context(), "/kept"); err != nil || string(v.Data) != "data" || v.Version != first {
		t.Fatalf("after a restart: %+v %v, want data at %d", v, err, first)
	}
	if _, err := s.Get(t.Context(), "/lock"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("an ephemeral value survived the process: %v", err)
	}
	if n, err := s.Sequence(t.Context(), "/ids"); err != nil || n != id+1 {
		t.Fatalf("sequence after an orderly restart: %d %v, want %d", n, err, id+1)
	}
	if v, err := s.Put(t.Context(), "/kept", nil, first); err != nil || v <= first {
		t.Fatalf("version after a restart: %d %v, want above %d", v, err, first)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, local.Options{Dir: dir})
	if _, err := local.Open(local.Options{Dir: dir}); !fault.Has(err, fault.MetaInUse) {
		t.Fatalf("second open: %v, want %s", err, fault.MetaInUse.Code)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, local.Options{Dir: dir})
}

func TestRefusesUnknownFormats(t *testing.T) {
	write := func(t *testing.T, dir, key, value string) {
		t.Helper()
		db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Set([]byte(key), []byte(value), pebble.Sync), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("newer", func(t *testing.T) {
		dir := t.TempDir()
		if err := open(t, local.Options{Dir: dir}).Close(); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "f", "strobe-metadata 2\n")
		if _, err := local.Open(local.Options{Dir: dir}); !fault.Has(err, fault.MetaFormat) {
			t.Fatalf("%v, want %s", err, fault.MetaFormat.Code)
		}
	})
	t.Run("foreign", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "something", "else")
		if _, err := local.Open(local.Options{Dir: dir}); !fault.Has(err, fault.MetaFormat) {
			t.Fatalf("%v, want %s", err, fault.MetaFormat.Code)
		}
	})
	t.Run("newer Pebble", func(t *testing.T) {
		dir := t.TempDir()
		if err := open(t, local.Options{Dir: dir}).Close(); err != nil {
			t.Fatal(err)
		}
		markers, err := filepath.Glob(filepath.Join(dir, "marker.format-version.*"))
		if err != nil || len(markers) != 1 {
			t.Fatalf("markers %q %v", markers, err)
		}
		if err := os.Rename(markers[0], filepath.Join(dir, "marker.format-version.000099.999")); err != nil {
			t.Fatal(err)
		}
		if _, err := local.Open(local.Options{Dir: dir}); !fault.Has(err, fault.MetaFormat) {
			t.Fatalf("%v, want %s", err, fault.MetaFormat.Code)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		dir := t.TempDir()
		if err := open(t, local.Options{Dir: dir}).Close(); err != nil {
			t.Fatal(err)
		}
		manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
		if err != nil || len(manifests) == 0 {
			t.Fatalf("manifests %q %v", manifests, err)
		}
		for _, m := range manifests {
			if err := os.Remove(m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := local.Open(local.Options{Dir: dir}); !fault.Has(err, fault.MetaDamaged) {
			t.Fatalf("%v, want %s", err, fault.MetaDamaged.Code)
		}
	})
}

type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// syncs counts the syncs of log files, and fails them when told to. It can hold them until all is queued behind.
type syncs struct {
	count atomic.Int64
	fail  atomic.Bool
	gate  atomic.Pointer[chan struct{}]
}

func (c *syncs) fs(inner vfs.FS) vfs.FS {
	return errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if filepath.Ext(op.Path) != ".log" || (op.Kind != errorfs.OpFileSync && op.Kind != errorfs.OpFileSyncData) {
			return nil
		}
		if gate := c.gate.Load(); gate != nil {
			<-*gate
		}
		c.count.Add(1)
		if c.fail.Load() {
			return syscall.EIO
		}
		return nil
	}))
}

// While one sync runs, whoever comes waits for the next, which is one for all.
func TestConcurrentPutsShareSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c syncs
		s := open(t, local.Options{Dir: "/meta", FS: c.fs(vfs.NewMem())})
		gate := make(chan struct{})
		c.gate.Store(&gate)
		var wg sync.WaitGroup
		put := func(i int) {
			wg.Go(func() {
				if _, err := s.Put(t.Context(), fmt.Sprintf("/k/%d", i), []byte("data"), meta.Absent); err != nil {
					t.Error(err)
				}
			})
		}
		put(0)
		synctest.Wait() // its sync is under way
		before := c.count.Load()
		for i := range 200 {
			put(1 + i)
		}
		synctest.Wait() // all are written
		c.gate.Store(nil)
		close(gate)
		wg.Wait()
		if got := c.count.Load() - before; got > 3 {
			t.Fatalf("%d syncs for 201 puts", got)
		}
	})
}

// After a failed sync nothing is answered any more, neither what was written nor what was there before; the process may go on.
func TestFailedSyncIsSticky(t *testing.T) {
	var c syncs
	s := open(t, local.Options{Dir: "/meta", FS: c.fs(vfs.NewMem())})
	if _, err := s.Put(t.Context(), "/before", nil, meta.Absent); err != nil {
		t.Fatal(err)
	}
	c.fail.Store(true)
	_, err := s.Put(t.Context(), "/lost", nil, meta.Absent)
	if !errors.Is(err, meta.ErrUnknown) || !fault.Has(err, fault.MetaFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("put with a failing sync: %v", err)
	}
	c.fail.Store(false)
	if _, err := s.Put(t.Context(), "/later", nil, meta.Absent); !fault.Has(err, fault.MetaFailed) {
		t.Fatalf("put after a failed sync: %v, want %s", err, fault.MetaFailed.Code)
	}
	if _, err := s.Get(t.Context(), "/lost"); !fault.Has(err, fault.MetaFailed) {
		t.Fatalf("get after a failed sync: %v, want %s", err, fault.MetaFailed.Code)
	}
	if _, err := s.Sequence(t.Context(), "/ids"); !fault.Has(err, fault.MetaFailed) {
		t.Fatalf("sequence after a failed sync: %v, want %s", err, fault.MetaFailed.Code)
	}
}

// A reader does not see a change before it is durable, although Pebble shows it: it waits, and so does whoever is refused because of it.
func TestReadersWaitForTheSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c syncs
		s := open(t, local.Options{Dir: "/meta", FS: c.fs(vfs.NewMem())})
		version, err := s.Put(t.Context(), "/k", []byte("old"), meta.Absent)
		if err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		c.gate.Store(&gate)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Put(t.Context(), "/k", []byte("new"), version); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // the change is written, its sync under way
		for what, read := range map[string]func(ctx context.Context) error{
			"get":    func(ctx context.Context) error { _, err := s.Get(ctx, "/k"); return err },
			"list":   func(ctx context.Context) error { _, err := s.List(ctx, "/"); return err },
			"create": func(ctx context.Context) error { _, err := s.Put(ctx, "/k", nil, meta.Absent); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s before the sync: %v", what, err)
			}
			cancel()
		}
		if _, err := s.Get(t.Context(), "/other"); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("another key: %v", err)
		}
		c.gate.Store(nil)
		close(gate)
		wg.Wait()
		if v, err := s.Get(t.Context(), "/k"); err != nil || string(v.Data) != "new" {
			t.Fatalf("%+v %v", v, err)
		}
	})
}

func TestDiskFullFreesTheReserve(t *testing.T) {
	var full, freed atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && full.Load() {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	s := open(t, local.Options{Dir: "/meta", FS: fs, DiskFull: func() {
		freed.Store(true)
		full.Store(false)
	}})
	full.Store(true)
	if _, err := s.Put(t.Context(), "/k", []byte("data"), meta.Absent); err != nil || !freed.Load() {
		t.Fatalf("put on a full disk with a reserve: %v, reserve freed: %t", err, freed.Load())
	}
	if v, err := s.Get(t.Context(), "/k"); err != nil || string(v.Data) != "data" {
		t.Fatalf("%+v %v", v, err)
	}
}

// Whatever Pebble calls fatal reaches the hook, and the store takes nothing more.
func TestFatalHook(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && filepath.Ext(op.Path) == ".log" && op.Kind == errorfs.OpFileWrite {
			return syscall.EIO
		}
		return nil
	}))
	told := make(chan error, 1)
	s, err := local.Open(local.Options{Dir: "/meta", FS: fs, Fatal: func(err error) {
		select {
		case told <- err:
		default:
		}
		panic(err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	broken.Store(true)
	fatal := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = r.(error)
			}
		}()
		_, err = s.Put(t.Context(), "/k", nil, meta.Any)
		return err
	}
	if err := fatal(); !fault.Has(err, fault.MetaFailed) {
		t.Fatalf("put with a failing log: %v, want %s", err, fault.MetaFailed.Code)
	}
	if _, err := s.Put(t.Context(), "/k", nil, meta.Any); !fault.Has(err, fault.MetaFailed) {
		t.Fatalf("put after that: %v, want %s", err, fault.MetaFailed.Code)
	}
}

func TestStats(t *testing.T) {
	s := open(t, local.Options{Dir: t.TempDir()})
	session, err := s.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(t.Context(), "/e", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "/k", make([]byte, 1000), meta.Absent); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Commits != 1 || st.Ephemerals != 1 || st.Sessions != 1 || st.LogBytes < 1000 || st.MemtableBytes == 0 {
		t.Fatalf("%+v", st)
	}
}

// What is overwritten is merged away, although nothing looks for it by the clock. Few and large values: with the race detector Pebble
// checks itself at every step, and takes a stack trace for each value that is looked up.
func TestCompaction(t *testing.T) {
	s := open(t, local.Options{Dir: t.TempDir()})
	random := rand.NewChaCha8([32]byte{}) // or compression would leave nothing
	for i := range 120 {
		var changes []meta.Change
		for k := range 4 {
			data := make([]byte, 50_000)
			random.Read(data)
			changes = append(changes, meta.Change{Key: fmt.Sprintf("/k/%d", (i*7+k*13)%40), Data: data, Expect: meta.Any})
		}
		if _, err := s.Batch(t.Context(), changes[:1]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Batch(t.Context(), changes[1:]); err != nil {
			t.Fatal(err)
		}
	}
	// 24 MB were written, 2 MB of them count; a table holds one, and Pebble takes nothing more behind twelve that are not merged.
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		st := s.Stats()
		if st.Unsorted <= 8 && st.TableBytes < 8<<20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", st)
		}
	}
}
