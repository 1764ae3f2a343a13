package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/vfs/pebblefs"
)

// open opens the table, or makes it for log id. An error of the disk, a full one too, is returned; it may be tried again.
func (t *table) open(id logID) error {
	cache := pebble.NewCache(1 << 20)
	defer cache.Unref()
	disk := newTableDisk(t.fs)
	disk.onFull, disk.onFailed = t.onFull, t.onDead
	disk.opening = true
	o := &pebble.Options{
		FS: pebblefs.New(disk), DisableWAL: true, Cache: cache, MemTableSize: 1 << 20, MaxOpenFiles: 64,
		// Pebble never holds up a change, which could last as long as the disk is full: see maxBacklog.
		MemTableStopWritesThreshold: 64, L0StopWritesThreshold: 1000,
		FormatMajorVersion: pebble.FormatNewest, Logger: tableLogger{t, disk},
	}
	o.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { t.log.Warn("table", "err", err) },
		// Without this Pebble ends the goroutine that finds it, be it a reader's. It gets an error, too.
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			if t.live.Load() && !disk.isFrozen() {
				t.onDead(fmt.Errorf("%s: %w", i.Path, i.Details))
			}
		},
	}
	compactions := newCompactions()
	o.Experimental.CompactionScheduler = compactions
	db, err := openPebble(t.dir, o, disk.ended)
	if err != nil {
		disk.freeze()
		if _, failed := disk.trouble(); err == errTableBroken && failed != nil {
			err = fmt.Errorf("%w: %w", errTableBroken, failed)
		}
		return err
	}
	version, err := checkVersion(db, id)
	if err == nil && version == nil {
		err = db.Set([]byte{keyVersion}, append(binary.BigEndian.AppendUint16(nil, tableFormat), id[:]...), pebble.NoSync)
	}
	if err != nil {
		db.Close()
		return err
	}
	disk.change(func() { disk.opening, disk.failed = false, nil })
	compactions.begin()
	t.mu.Lock()
	t.db, t.disk = db, disk
	t.flushing, t.backlog, t.begun = nil, 0, 0
	t.mu.Unlock()
	return nil
}

// openPebble opens a database on a goroutine of its own: Pebble may end it (see tableLogger), and panics when a directory cannot be
// synced. Of what else it starts, one that ended is waited for by Pebble for ever: then the opening is given up, with the goroutine.
func openPebble(dir string, o *pebble.Options, ended <-chan struct{}) (*pebble.DB, error) {
	var db *pebble.DB
	err := errTableBroken
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				if failed, ok := p.(error); ok {
					err = fmt.Errorf("%w: %w", errTableBroken, failed)
				} else {
					err = fmt.Errorf("%w: %v", errTableBroken, p)
				}
			}
		}()
		db, err = pebble.Open(dir, o)
	}()
	select {
	case <-done:
		return db, err
	case <-ended:
		return nil, errTableBroken
	}
}

func checkVersion(db *pebble.DB, id logID) ([]byte, error) {
	v, closer, err := db.Get([]byte{keyVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	if len(v) < 2 || binary.BigEndian.Uint16(v) != tableFormat {
		return nil, errTableVersion
	}
	if string(v[2:]) != string(id[:]) {
		return nil, errTableForeign
	}
	return append([]byte{}, v...), nil
}

// discard removes a table that cannot be used, so that one can be rebuilt.
func (t *table) discard() error {
	t.mu.Lock()
	if t.db != nil {
		_ = t.closePebble()
		t.db = nil
	}
	t.mu.Unlock()
	names, err := t.fs.List(t.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := t.fs.Remove(filepath.Join(t.dir, n)); err != nil {
			return err
		}
	}
	return t.fs.SyncDir(t.dir)
}

func (t *table) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.db == nil || t.broken.Load() {
		return nil
	}
	err := t.closePebble()
	t.db = nil
	return err
}

// closePebble closes the database. What its goroutines cannot write, for want of space or because the device failed, is left
// unwritten; if one of them has ended itself, the others are left alone.
func (t *table) closePebble() error {
	closed := make(chan error, 1)
	db := t.db
	go func() { closed <- db.Close() }()
	for {
		changed, trouble := t.disk.trouble()
		if trouble != nil && !t.disk.isFrozen() {
			t.disk.freeze()
			continue
		}
		select {
		case err := <-closed:
			if t.disk.isFrozen() {
				return nil // why is known already
			}
			return err
		case <-t.dead:
			return nil
		case <-changed:
		}
	}
}

// tableLogger passes Pebble's errors on. Pebble expects Fatalf not to return: the goroutine ends, and the table is not used any more,
// unless it was only being opened.
type tableLogger struct {
	t    *table
	disk *tableDisk
}

func (tableLogger) Infof(string, ...any) {}

func (l tableLogger) Errorf(format string, args ...any) {
	l.t.log.Warn("table", "err", fmt.Sprintf(format, args...))
}

func (l tableLogger) Fatalf(format string, args ...any) {
	l.disk.mu.Lock()
	opening := l.disk.opening
	if opening && !l.disk.over {
		l.disk.over = true
		close(l.disk.ended)
	}
	l.disk.mu.Unlock()
	if !opening && !l.t.broken.Swap(true) {
		close(l.t.dead)
		l.t.onDead(fmt.Errorf(format, args...))
	}
	runtime.Goexit()
}
