package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
)

var rewrite = flag.Bool("rewrite", false, "write generated files anew")

const sdkSource = "../golang"

// sources are the SDK's files that a project needs: no tests.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	list := map[string][]byte{}
	err := filepath.WalkDir(sdkSource, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir
		case d.IsDir(), strings.HasSuffix(path, "_test.go"), !strings.HasSuffix(path, ".go") && d.Name() != "go.mod":
			return nil
		}
		name, err := filepath.Rel(sdkSource, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		list[filepath.ToSlash(name)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestArchiveIsFresh(t *testing.T) {
	want := sources(t)
	if *rewrite {
		if err := os.WriteFile("sdk.zip", pack(t, want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	z, err := zip.NewReader(bytes.NewReader(sdk), int64(len(sdk)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	for _, f := range z.File {
		if got[f.Name], err = content(f); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("sdk.zip is stale: run `go generate ./functions-sdk/archive`\nhas   %v\nneeds %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// pack makes an archive that is the same for the same files.
func pack(t *testing.T, list map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(list)) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = w.Write(list[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What `functions new` makes passes its own test and builds, with nothing to download.
func TestNewProjectWorksOffline(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	dir := filepath.Join(t.TempDir(), "hello-there")
	if err := NewProject(dir, "hello-there"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	wasm := filepath.Join(dir, "hello-there.wasm")
	if err := Build(t.Context(), dir, wasm); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x00asm\x01\x00\x00\x00", "strobe_process", "strobe_abi", "_initialize"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("the module has no %q", want)
		}
	}
	if err := NewProject(dir, "hello-there"); !fault.Has(err, fault.FunctionProjectExists) {
		t.Errorf("a second project in the same place: %v", err)
	}
}

func TestProjectNames(t *testing.T) {
	for _, name := range []string{"", "a b", "../x", "-x", "ä"} {
		if err := NewProject(filepath.Join(t.TempDir(), "p"), name); !fault.Has(err, fault.FunctionProjectName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "f.wasm")
	if err := Build(t.Context(), dir, out); !fault.Has(err, fault.FunctionNoProject) {
		t.Errorf("an empty directory: %v", err)
	}
	if err := write(filepath.Join(dir, "go.mod"), []byte("module f\n")); err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join(dir, "f.go"), []byte("package main\nfunc main() { undefined() }\n")); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), dir, out); !fault.Has(err, fault.FunctionBuild) || !strings.Contains(err.Error(), "f.go:2") {
		t.Errorf("a broken program: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Build(ctx, dir, out); err == nil || fault.Has(err, fault.FunctionBuild) {
		t.Errorf("a build that was stopped: %v", err)
	}

	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if err := Build(t.Context(), dir, out); !fault.Has(err, fault.FunctionNoGo) {
		t.Errorf("no go tool: %v", err)
	}
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\necho go1.20.3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), dir, out); !fault.Has(err, fault.FunctionOldGo) || !strings.Contains(err.Error(), "go1.20.3") {
		t.Errorf("an old go tool: %v", err)
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"go1.24": true, "go1.24.1": true, "go1.26rc1": true, "go2.0": true, "devel go1.27-abc": true,
		"go1.23.9": false, "go1.9": false, "": false, "nonsense": false,
	} {
		if recent(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}
