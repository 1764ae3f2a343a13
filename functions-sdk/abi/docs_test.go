package abi

import (
	"os"
	"strings"
	"testing"
)

// The page that people write SDKs by names everything that can be imported and exported.
func TestDocsNameEverything(t *testing.T) {
	b, err := os.ReadFile("../../docs/functions-abi.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	var names []string
	for _, f := range WASI {
		names = append(names, f.Name)
	}
	for name := range Exports {
		names = append(names, name)
	}
	for name := range Host {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/functions-abi.md does not name %s", name)
		}
	}
}
