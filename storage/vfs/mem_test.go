package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
)

func write(t *testing.T, f File, off int64, s string) {
	t.Helper()
	if _, err := f.WriteAt([]byte(s), off); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, f FS, name string) string {
	t.Helper()
	b, err := ReadFile(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func create(t *testing.T, f FS, name string) File {
	t.Helper()
	file, err := f.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestConformance holds both file systems to the same behaviour.
func TestConformance(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) (FS, string){
		"os":  func(t *testing.T) (FS, string) { return OS, t.TempDir() },
		"mem": func(*testing.T) (FS, string) { return NewMem(), "dir" },
	} {
		t.Run(name, func(t *testing.T) {
			f, dir := make(t)
			dir = filepath.Join(dir, "a", "b")
			if err := f.MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "x")
			if _, err := f.Open(path); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			file := create(t, f, path)
			write(t, file, 3, "hello")
			if size, err := file.Size(); err != nil || size != 8 {
				t.Fatal(size, err)
			}
			b := [6]byte{}
			if n, err := file.ReadAt(b[:], 4); n != 4 || err != io.EOF || string(b[:4]) != "ello" {
				t.Fatal(n, err, b)
			}
			if err := file.(Allocator).Allocate(100); err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
				t.Fatal(err)
			}
			if err := errors.Join(file.Sync(), f.SyncDir(dir)); err != nil {
				t.Fatal(err)
			}
			other := filepath.Join(dir, "y")
			create(t, f, other).Close()
			if err := f.Rename(path, other); err != nil {
				t.Fatal(err)
			}
			write(t, file, 0, "HEY") // the handle stays with the file
			if got := content(t, f, other); got[:8] != "HEYhello" {
				t.Fatalf("%q", got)
			}
			if err := ReplaceFile(f, path, []byte("small")); err != nil || content(t, f, path) != "small" {
				t.Fatal(err)
			}
			names, err := f.List(dir)
			if err != nil || len(names) != 2 || names[0] != "x" || names[1] != "y" {
				t.Fatal(names, err)
			}
			if st, err := f.Stat(path); err != nil || st.Size() != 5 || st.IsDir() || st.Name() != "x" {
				t.Fatal(st, err)
			}
			if err := f.Remove(dir); err == nil {
				t.Fatal("a directory with files was removed")
			}
			if err := errors.Join(f.Remove(path), f.Remove(other), f.Remove(dir)); err != nil {
				t.Fatal(err)
			}
			if free, err := f.Free(filepath.Dir(dir)); err != nil || free <= 0 {
				t.Fatal(free, err)
			}
			lock := filepath.Join(filepath.Dir(dir), "lock")
			held, err := f.Lock(lock)
			if err != nil {
				t.Fatal(err)
			}
			var locked *LockedError
			if _, err := f.Lock(lock); !errors.As(err, &locked) || locked.PID == 0 {
				t.Fatal(err)
			}
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			if held, err = f.Lock(lock); err != nil {
				t.Fatal(err)
			}
			held.Close()
		})
	}
}

func TestPowerCutDropsWhatWasNotSynced(t *testing.T) {
	m := NewMem()
	f := create(t, m, "d/a")
	write(t, f, 0, "synced")
	if err := errors.Join(f.Sync(), m.SyncDir("d")); err != nil {
		t.Fatal(err)
	}
	write(t, f, 0, "SYNCED?")
	g := create(t, m, "d/b")
	write(t, g, 0, "content without a name")
	if err := g.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := m.Rename("d/a", "d/c"); err != nil {
		t.Fatal(err)
	}
	c := m.CrashClone(Crash{})
	if got := content(t, c, "d/a"); got != "synced" {
		t.Fatalf("%q", got)
	}
	for _, name := range []string{"d/b", "d/c"} {
		if _, err := c.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(name, err)
		}
	}
	if got := content(t, m, "d/c"); got != "SYNCED?" {
		t.Fatalf("the original is touched: %q", got)
	}
}

func TestPowerCutKeepsPagesInAnyOrder(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		m := NewMem()
		f := create(t, m, "d/a")
		write(t, f, 0, string(make([]byte, 2*memPage)))
		if err := errors.Join(f.Sync(), m.SyncDir("d")); err != nil {
			t.Fatal(err)
		}
		write(t, f, 0, "1")
		write(t, f, memPage, "2")
		c := m.CrashClone(Crash{Rand: rand.New(rand.NewPCG(seed, 0)), Keep: 0.5})
		got := content(t, c, "d/a")
		seen[string(got[0])+string(got[memPage])] = true
	}
	if len(seen) != 4 {
		t.Fatal(seen)
	}
}

func TestFailedSyncLosesItsPages(t *testing.T) {
	m := NewMem()
	f := create(t, m, "d/a")
	write(t, f, 0, "old")
	if err := errors.Join(f.Sync(), m.SyncDir("d")); err != nil {
		t.Fatal(err)
	}
	write(t, f, 0, "new")
	m.Inject(&Fault{Op: OpSync, Count: 1, Err: syscall.EIO})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, m, "d/a"); got != "new" {
		t.Fatalf("the cache shows %q", got)
	}
	if got := content(t, m.CrashClone(Crash{}), "d/a"); got != "old" {
		t.Fatalf("the disk has %q", got)
	}
}

func TestFaults(t *testing.T) {
	m := NewMem()
	f := create(t, m, "d/a.seg")
	rule := &Fault{Op: OpWrite, Name: "*.seg", Skip: 1, Count: 2, Err: syscall.EIO, Short: true}
	m.Inject(rule)
	write(t, f, 0, "0123")
	for range 2 {
		if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, syscall.EIO) {
			t.Fatal(n, err)
		}
	}
	write(t, f, 2, "xy")
	if got := content(t, m, "d/a.seg"); got != "abxy" || m.Hits(rule) != 2 {
		t.Fatal(got, m.Hits(rule))
	}
	hang := make(chan struct{})
	m.Inject(&Fault{Op: OpSync, Hang: hang})
	done := make(chan error)
	go func() { done <- f.Sync() }()
	select {
	case <-done:
		t.Fatal("did not hang")
	default:
	}
	close(hang)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	m.Heal()
	m.SetCapacity(6)
	if n, err := f.WriteAt([]byte("0123456789"), 0); n != 6 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(n, err)
	}
	if free, _ := m.Free("d"); free != 0 {
		t.Fatal(free)
	}
	write(t, f, 0, "again6")
	if err := m.Remove("d/a.seg"); err != nil || m.Used() != 0 {
		t.Fatal(err, m.Used())
	}
}
