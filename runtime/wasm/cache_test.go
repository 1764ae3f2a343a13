package wasm

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// cached lists the files below a directory that hold compiled code.
func cached(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != sealName {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// runsFromCache starts a module in a new engine, as a new process would.
func runsFromCache(t *testing.T, dir string, module []byte) {
	t.Helper()
	e := NewEngine(EngineOptions{CacheDir: dir})
	p, err := e.New(t.Context(), module, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.Process(t.Context(), records("x")); err != nil {
		t.Fatal(err)
	}
}

// Whatever byte of the cache is damaged, the module is compiled again: none of it is run, and nothing is allocated by its counts.
func TestFlippedBytesInTheCache(t *testing.T) {
	dir := t.TempDir()
	module := good().bytes()
	runsFromCache(t, dir, module)
	files := cached(t, dir)
	if len(files) != 1 {
		t.Fatalf("cached in %v", files)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 1 + at/8 {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0xff
		if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		runsFromCache(t, dir, module)
		if again, err := os.ReadFile(files[0]); err != nil || !slices.Equal(again, whole) {
			t.Errorf("byte %d of %d was flipped: not made again: %v", at, len(whole), err)
		}
	}
}

// What the seal does not cover is not believed either: another file, a missing one, a seal of something else.
func TestSeal(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"cut off": func(dir string) error { return os.Truncate(filepath.Join(dir, "a", "code"), 2) },
		"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "a", "code")) },
		"another name": func(dir string) error {
			return os.Rename(filepath.Join(dir, "a", "code"), filepath.Join(dir, "a", "cod"))
		},
		"one more":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "a", "more"), nil, 0o600) },
		"a link":        func(dir string) error { return os.Symlink("code", filepath.Join(dir, "a", "link")) },
		"no seal":       func(dir string) error { return os.Remove(filepath.Join(dir, sealName)) },
		"an empty seal": func(dir string) error { return os.Truncate(filepath.Join(dir, sealName), 0) },
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "a", "code"), []byte("code"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := seal(dir); err != nil || !sealed(dir) {
			t.Fatalf("%s: sealed %v: %v", name, sealed(dir), err)
		}
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if sealed(dir) {
			t.Errorf("%s: is still believed", name)
		}
	}
}

// A cache that is whole is used: the file is the one that was written.
func TestTheCacheIsUsed(t *testing.T) {
	dir := t.TempDir()
	module := good().bytes()
	runsFromCache(t, dir, module)
	files := cached(t, dir)
	before, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	runsFromCache(t, dir, module)
	if after, err := os.Stat(files[0]); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was compiled again: %v", err)
	}
}
