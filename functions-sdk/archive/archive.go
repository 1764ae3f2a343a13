// Package archive carries the Go SDK and a project template inside the strobe binary, so that functions can be written and built with
// nothing published and offline. The SDK is a module of its own, which go:embed does not reach into; sdk.zip is made from it.
package archive

import (
	"archive/zip"
	"bytes"
	"embed"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"text/template"

	"github.com/strobemq/strobe/internal/fault"
)

//go:generate go test -run TestArchiveIsFresh -rewrite

//go:embed sdk.zip
var sdk []byte

//go:embed template
var templates embed.FS

// sdkDir is where a project has the SDK.
const sdkDir = "strobe-sdk"

// files are the project's files and the templates they are made from.
var files = map[string]string{
	"go.mod":                "go.mod.tmpl",
	"handler.go":            "handler.go.tmpl",
	"handler_test.go":       "handler_test.go.tmpl",
	"testdata/events.jsonl": "events.jsonl.tmpl",
	".gitignore":            "gitignore.tmpl",
}

var projectName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// NewProject makes a project for a function of that name in dir, which must be absent or empty: handler, test, sample events and the SDK.
func NewProject(dir, name string) error {
	if !projectName.MatchString(name) {
		return fault.FunctionProjectName.New("%q", name)
	}
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return fault.FunctionProjectExists.New("%s", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for file, from := range files {
		text, err := templates.ReadFile("template/" + from)
		if err != nil {
			return err
		}
		t, err := template.New(from).Parse(string(text))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := t.Execute(&out, struct{ Name string }{name}); err != nil {
			return err
		}
		if err := write(filepath.Join(dir, filepath.FromSlash(file)), out.Bytes()); err != nil {
			return err
		}
	}
	return unpack(filepath.Join(dir, sdkDir))
}

// unpack writes the SDK's files into dir.
func unpack(dir string) error {
	z, err := zip.NewReader(bytes.NewReader(sdk), int64(len(sdk)))
	if err != nil {
		return err
	}
	for _, f := range z.File {
		b, err := content(f)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, filepath.FromSlash(f.Name)), b); err != nil {
			return err
		}
	}
	return nil
}

func content(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}
