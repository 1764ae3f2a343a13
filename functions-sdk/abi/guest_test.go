package abi

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run TestGuestLayoutIsFresh -rewrite

var rewrite = flag.Bool("rewrite", false, "write generated files anew")

const guestLayout = "../golang/layout.go"

// The Go SDK is a module of its own and cannot import this package: its layout.go is made from ours, with names that are not exported.
func TestGuestLayoutIsFresh(t *testing.T) {
	want := guestSource(t)
	if *rewrite {
		if err := os.WriteFile(guestLayout, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(guestLayout)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run `go generate ./functions-sdk/abi`", guestLayout)
	}
}

func guestSource(t *testing.T) []byte {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "layout.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	file.Name.Name = "strobe"
	var out bytes.Buffer
	for _, d := range file.Decls {
		for _, spec := range d.(*ast.GenDecl).Specs {
			name := spec.(*ast.ValueSpec).Names[0]
			name.Name = strings.ToLower(name.Name[:1]) + name.Name[1:]
		}
	}
	if err := format.Node(&out, fset, file); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(out.String(), "// Everything in this file is shared with guests: functions-sdk/golang/layout.go is generated from it.\n", "", 1)
	formatted, err := format.Source([]byte("// Code generated from functions-sdk/abi/layout.go. DO NOT EDIT.\n\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	return formatted
}
