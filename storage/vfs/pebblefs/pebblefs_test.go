package pebblefs

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/vfs"
)

func TestPebbleSurvivesPowerCut(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebble.Open("db", &pebble.Options{FS: New(fs)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := db.Set(fmt.Appendf(nil, "k%03d", i), []byte("v"), pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Set([]byte("unsynced"), []byte("v"), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	clone := fs.CrashClone(vfs.Crash{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = pebble.Open("db", &pebble.Options{FS: New(clone)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range 100 {
		v, c, err := db.Get(fmt.Appendf(nil, "k%03d", i))
		if err != nil || string(v) != "v" {
			t.Fatalf("key %d: %q, %v", i, v, err)
		}
		c.Close()
	}
}
