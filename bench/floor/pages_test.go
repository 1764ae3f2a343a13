package floor

import (
	"path/filepath"
	"testing"

	"github.com/strobemq/strobe/bench/load"
)

func TestPagesSendAll(t *testing.T) {
	shape := load.Shape{Messages: 3, Size: 5000}
	p, err := StartPages(filepath.Join(t.TempDir(), "pages"), shape, 300)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 2 {
		got, _, err := p.Drain(t.Context(), shape, 300)
		if err != nil || got.Entries != 300 || got.Messages != 900 || got.Bytes != 300*15000 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}
