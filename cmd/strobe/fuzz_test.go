package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// TestEveryDecoderIsFuzzed finds functions that take bytes apart, by name and parameter, and wants a fuzz target in the tests of their
// package.
func TestEveryDecoderIsFuzzed(t *testing.T) {
	decoder := regexp.MustCompile(`^(?i)(decode|parse|unmarshal|cut|split)`)
	fuzzed, decoders := map[string]bool{}, map[string][]string{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name != ".." && strings.HasPrefix(name, ".") || name == "testdata" || name == "pb" || name == "bench" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			switch {
			case strings.HasSuffix(path, "_test.go"):
				fuzzed[dir] = fuzzed[dir] || strings.HasPrefix(fn.Name.Name, "Fuzz")
			case decoder.MatchString(fn.Name.Name) && takesBytes(fn.Type):
				decoders[dir] = append(decoders[dir], fn.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(decoders) < 8 {
		t.Fatalf("found decoders in %d packages only: this test looks in the wrong place", len(decoders))
	}
	var dirs []string
	for d := range decoders {
		dirs = append(dirs, d)
	}
	sort.Strings(dirs)
	for _, d := range dirs {
		if !fuzzed[d] {
			t.Errorf("%s decodes (%s) and has no fuzz target", d, strings.Join(decoders[d], ", "))
		}
	}
}

// takesBytes reports whether a parameter is a byte slice.
func takesBytes(f *ast.FuncType) bool {
	for _, p := range f.Params.List {
		if a, ok := p.Type.(*ast.ArrayType); ok && a.Len == nil {
			if id, ok := a.Elt.(*ast.Ident); ok && id.Name == "byte" {
				return true
			}
		}
	}
	return false
}
