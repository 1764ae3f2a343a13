package local

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a local store. Dir is needed.
type Options struct {
	// Dir is the directory of the store; it is made when it is not there. It belongs to the store alone.
	Dir string
	// Log gets warnings and errors; nothing in a healthy steady state. Default: discard.
	Log *slog.Logger
	// FS is where Dir is. Default: the operating system's files.
	FS vfs.FS
	// DiskFull is called when the device has no space left, before the write that met this is tried once more: whoever holds a
	// reserve frees it here. It must not call the store. Default: nothing is freed.
	DiskFull func()
	// Fatal is called when Pebble cannot go on in memory: its log or manifest could not be written. It must not return; the
	// process is ended when it does. Default: the error is logged and the process ends with status 1.
	Fatal func(error)
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("component", "meta")
	if o.FS == nil {
		// Without Pebble's watch over slow writes, which ticks when idle.
		o.FS = vfs.Default
	}
	if o.DiskFull != nil {
		o.FS = vfs.OnDiskFull(o.FS, o.DiskFull)
	}
	return o
}

// What Pebble may use. Metadata is small and hot parts of it are cached above; an idle process has 60 MiB for everything.
const (
	memtableBytes = 1 << 20
	cacheBytes    = 1 << 20
	openFiles     = 128
	// pebbleFormat is the format of Pebble's own files: the oldest that this Pebble makes, because a new directory climbs to newer ones
	// step by step with three syncs each, and nothing here needs them. Raising it needs a line in the changelog: older binaries
	// cannot read it.
	pebbleFormat = pebble.FormatFlushableIngest
)

func (s *Store) pebbleOptions() *pebble.Options {
	p := &pebble.Options{
		FS:                          s.options.FS,
		Logger:                      pebbleLog{s},
		FormatMajorVersion:          pebbleFormat,
		MemTableSize:                memtableBytes,
		MemTableStopWritesThreshold: 4,
		CacheSize:                   cacheBytes,
		MaxOpenFiles:                openFiles,
		MaxManifestFileSize:         1 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
	}
	// One compaction at a time needs no scheduler that looks ten times a second whether there may be more by now: a quarter of a percent
	// of a core, for ever.
	p.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most puts are creates: look for what is not there
	}
	return p
}

// pebbleLog turns what Pebble says into the store's log. Infof is Pebble's steady state and dropped.
type pebbleLog struct{ store *Store }

func (pebbleLog) Infof(string, ...any) {}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.store.options.Log.Error("pebble", "error", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Fatalf must not return: Pebble relies on nothing afterwards.
func (l pebbleLog) Fatalf(format string, args ...any) {
	err := l.store.fail(fmt.Errorf(format, args...))
	if l.store.options.Fatal != nil {
		l.store.options.Fatal(err)
	}
	l.store.options.Log.Error("the process ends", "error", err)
	os.Exit(1)
}
