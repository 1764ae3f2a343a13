package bookie

import (
	"context"
	"sync"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/vfs"
)

func openIn(t testing.TB, dir string, o Options) *Bookie {
	t.Helper()
	b, err := Open(ctx, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestOpen starts a bookie on a real directory, twice: same id, same entries, fence and key kept.
func TestOpen(t *testing.T) {
	m := newMeta(t, "instance")
	dir := t.TempDir()
	o := Options{Meta: m, Segment: segment.Options{SegmentBytes: 1 << 20}}
	b := openIn(t, dir, o)
	id := b.ID()
	if !bkwire.ValidBookieID(id) {
		t.Fatalf("id %q", id)
	}
	l := stored(t, m, b, 1, 2)
	wantLast(t, l, 2, bk.FlagFence, ourKey, 0, bk.OK)
	_, err := Open(ctx, dir, o)
	if !fault.Has(err, fault.SegmentDirectoryInUse) {
		t.Errorf("a second bookie on the volume: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = openIn(t, dir, o)
	if b.ID() != id {
		t.Errorf("id %s, then %s", id, b.ID())
	}
	l = b.Local()
	wantLast(t, l, 1, 0, ourKey, 0, bk.OK)
	a := newAnswers(t)
	a.add(l, entry(2, 1), entry(1, 1))
	a.wait()
	if got := a.codes(); got != "1:104 1:0 " {
		t.Error(got)
	}
	b.Close()
	if _, err := Open(ctx, dir, Options{Meta: newMeta(t, "other")}); !fault.Has(err, fault.BookieForeign) {
		t.Errorf("with another cluster's metadata: %v", err)
	}
}

// TestOpenAfterPowerLoss cuts the power after each of the first steps of a new volume: it starts, or starts again.
func TestOpenAfterPowerLoss(t *testing.T) {
	m := newMeta(t, "instance")
	fs := vfs.NewMem()
	b := openIn(t, "/volume", Options{Meta: m, FS: fs})
	l := stored(t, m, b, 1)
	wantLast(t, l, 1, bk.FlagFence, ourKey, 0, bk.OK)
	id := b.ID()
	clone := fs.CrashClone(vfs.Crash{})
	m2 := newMeta(t, "instance") // the registration of the former life went with its process
	v, err := m.Get(context.Background(), bkwire.CookiePath(id))
	if err != nil {
		t.Fatal(err)
	}
	put(t, m2, bkwire.CookiePath(id), string(v.Data))
	again := openIn(t, "/volume", Options{Meta: m2, FS: clone})
	if again.ID() != id {
		t.Errorf("id %s, then %s", id, again.ID())
	}
	l = again.Local()
	wantLast(t, l, 1, 0, ourKey, 0, bk.OK)
	a := newAnswers(t)
	a.add(l, entry(1, 1))
	a.wait()
	if got := a.codes(); got != "1:104 " {
		t.Errorf("the fence did not survive: %s", got)
	}
}

// syncs is a file system that tells of every sync before it happens.
type syncs struct {
	vfs.FS
	before func()
}

type syncedFile struct {
	vfs.File
	before func()
}

func (s *syncs) Create(name string) (vfs.File, error) { return s.wrap(s.FS.Create(name)) }
func (s *syncs) Open(name string) (vfs.File, error)   { return s.wrap(s.FS.Open(name)) }

func (s *syncs) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &syncedFile{f, s.before}, nil
}

func (s *syncs) SyncDir(dir string) error {
	s.before()
	return s.FS.SyncDir(dir)
}

func (f *syncedFile) Sync() error {
	f.before()
	return f.File.Sync()
}

// TestFirstStart cuts the power before each sync of a first start: what is left starts. And there are few of them.
func TestFirstStart(t *testing.T) {
	m := newMeta(t, "instance")
	fs := vfs.NewMem()
	type moment struct {
		volume *vfs.Mem
		cookie *bkwire.Cookie
	}
	var mu sync.Mutex
	var moments []moment
	quiet := false
	capture := &syncs{FS: fs, before: func() {
		mu.Lock()
		defer mu.Unlock()
		if quiet {
			return
		}
		x := moment{volume: fs.CrashClone(vfs.Crash{})}
		for _, id := range list(t, m, bkwire.CookiesPath) {
			_, x.cookie, _ = readCookie(ctx, m, id)
		}
		moments = append(moments, x)
	}}
	openIn(t, "/volume", Options{Meta: m, FS: capture})
	mu.Lock()
	quiet = true
	mu.Unlock()
	t.Logf("%d syncs", len(moments))
	if len(moments) == 0 || len(moments) > 12 {
		t.Errorf("a first start takes %d syncs", len(moments))
	}
	for i, x := range moments {
		again := newMeta(t, "instance")
		if x.cookie != nil {
			put(t, again, bkwire.CookiePath(x.cookie.BookieID), string(x.cookie.Append(nil)))
		}
		b, err := Open(ctx, "/volume", Options{Meta: again, FS: x.volume})
		if err != nil {
			t.Errorf("power lost before sync %d: %v", i, err)
			continue
		}
		if x.cookie != nil && b.ID() != x.cookie.BookieID {
			t.Errorf("power lost before sync %d: another id", i)
		}
		b.Close()
	}
}
