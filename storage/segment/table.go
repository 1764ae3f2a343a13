package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/vfs"
	"github.com/strobemq/strobe/storage/vfs/pebblefs"
)

// table keeps what sealed segments hold and what is known of ledgers in Pebble, without a log of its own: what a power cut takes
// from it is in the footers and in the unsealed segments. It is made when the first segment is sealed.
//
// Only the keeper changes it; every change is one batch, so that a power cut leaves it as it was after some batch.
type table struct {
	fs     vfs.FS
	dir    string
	log    *slog.Logger
	onFull func()          // the disk is full and Pebble tries again and again
	onDead func(err error) // Pebble gave up
	broken atomic.Bool     // Pebble gave up; nothing more is asked of it

	// version grows before and after every change. Before, because who did not find in the open segments what is about to leave
	// the table must see that it may have missed it; after, because what was read meanwhile must not be kept.
	version atomic.Uint64

	mu     sync.RWMutex
	db     *pebble.DB // nil: there is no table yet
	closed bool
}

const tableFormat = 1

var (
	errTableBroken  = errors.New("table is not usable")
	errTableVersion = errors.New("unknown table version")
	errTableForeign = errors.New("table of another log")
)

func (t *table) exists() bool {
	_, err := t.fs.Stat(filepath.Join(t.dir, "CURRENT"))
	if err == nil {
		return true
	}
	names, err := t.fs.List(t.dir)
	return err == nil && len(names) > 0
}

// open opens the table, or makes it for log id.
func (t *table) open(id logID) error {
	cache := pebble.NewCache(1 << 20)
	defer cache.Unref()
	o := &pebble.Options{
		FS: pebblefs.New(t.fs), DisableWAL: true, Cache: cache, MemTableSize: 1 << 20, MemTableStopWritesThreshold: 4,
		MaxOpenFiles: 64, FormatMajorVersion: pebble.FormatNewest, Logger: tableLogger{t},
	}
	o.EventListener = &pebble.EventListener{BackgroundError: func(err error) {
		if noSpace(err) {
			t.onFull()
		}
		t.log.Warn("table", "err", err)
	}}
	db, err := openPebble(t.dir, o)
	if err != nil {
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
	t.mu.Lock()
	t.db = db
	t.mu.Unlock()
	return nil
}

// openPebble opens a database on a goroutine of its own: Pebble may end it (see tableLogger).
func openPebble(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	err = errTableBroken
	done := make(chan struct{})
	go func() {
		defer close(done)
		db, err = pebble.Open(dir, o)
	}()
	<-done
	return db, err
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

// use calls fn with the database, which stays open meanwhile; nil when there is no table.
func (t *table) use(fn func(db *pebble.DB) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.broken.Load() || t.closed {
		return errTableBroken
	}
	return fn(t.db)
}

// get returns a copy of a value, nil when the key is not there.
func (t *table) get(key []byte) (value []byte, err error) {
	err = t.use(func(db *pebble.DB) error {
		if db == nil {
			return nil
		}
		v, closer, err := db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		defer closer.Close()
		value = append([]byte{}, v...)
		return nil
	})
	return value, err
}

// scan calls yield with every key of a prefix until it returns false; key and value are valid during the call.
func (t *table) scan(prefix []byte, yield func(key, value []byte) bool) error {
	return t.between(prefix, after(prefix), yield)
}

func (t *table) between(from, to []byte, yield func(key, value []byte) bool) error {
	return t.use(func(db *pebble.DB) error {
		if db == nil {
			return nil
		}
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			return err
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			if !yield(it.Key(), it.Value()) {
				break
			}
		}
		return it.Error()
	})
}

// after is the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	b := append([]byte{}, prefix...)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			break
		}
	}
	return b
}

// rows returns where the ledger's entries lie, oldest segment first.
func (t *table) rows(ledger int64) ([]row, error) {
	var rows []row
	var bad error
	err := t.scan(rowKey(ledger, 0)[:9], func(k, v []byte) bool {
		var r row
		if _, r, bad = decodeRow(k, v); bad != nil {
			return false
		}
		rows = append(rows, r)
		return true
	})
	return rows, errors.Join(err, bad)
}

// row returns where a ledger's entries lie in one segment; nil when they do not.
func (t *table) row(ledger int64, generation uint64) (*row, error) {
	key := rowKey(ledger, generation)
	v, err := t.get(key)
	if v == nil || err != nil {
		return nil, err
	}
	_, r, err := decodeRow(key, v)
	return &r, err
}

// segments returns the sealed segments that the table has entered.
func (t *table) segments() (map[uint64]segmentRow, error) {
	all := map[uint64]segmentRow{}
	var bad error
	err := t.scan([]byte{keySegment}, func(k, v []byte) bool {
		var g uint64
		var r segmentRow
		if g, r, bad = decodeSegmentRow(k, v); bad == nil {
			all[g] = r
		}
		return bad == nil
	})
	return all, errors.Join(err, bad)
}

// ledgersFrom returns up to n ledgers that are not below from, ascending.
func (t *table) ledgersFrom(from int64, n int) []int64 {
	var ids []int64
	_ = t.between(ledgerKey(from), []byte{keyLedger + 1}, func(k, _ []byte) bool {
		ids = append(ids, int64(binary.BigEndian.Uint64(k[1:])))
		return len(ids) < n
	})
	return ids
}

// ready reports whether there is a table.
func (t *table) ready() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.db != nil
}

// ledger returns what the table knows of a ledger; false when nothing.
func (t *table) ledger(ledger int64) (ledgerRow, bool, error) {
	v, err := t.get(ledgerKey(ledger))
	if v == nil || err != nil {
		return ledgerRow{}, false, err
	}
	r, err := decodeLedgerRow(v)
	return r, err == nil, err
}

// change applies one atomic change, which is durable after the next flush.
func (t *table) change(fill func(b *pebble.Batch) error) error {
	return t.use(func(db *pebble.DB) error {
		if db == nil {
			return errTableBroken
		}
		b := db.NewBatch()
		defer b.Close()
		if err := fill(b); err != nil {
			return err
		}
		t.version.Add(1)
		defer t.version.Add(1)
		return b.Commit(pebble.NoSync)
	})
}

// flush makes every change so far durable.
func (t *table) flush() error {
	return t.use(func(db *pebble.DB) error {
		if db == nil {
			return nil
		}
		return db.Flush()
	})
}

// badTable reports whether a table that answers err has to be rebuilt: its bytes make no sense, or files lack. An error of the
// operating system says nothing about the bytes.
func badTable(err error) bool {
	var sys *fs.PathError
	var number syscall.Errno
	return errors.Is(err, fs.ErrNotExist) || !errors.As(err, &sys) && !errors.As(err, &number) && !errors.Is(err, errTableBroken)
}

// discard removes a table that cannot be used, so that one can be rebuilt.
func (t *table) discard() error {
	t.mu.Lock()
	if t.db != nil {
		_ = t.db.Close()
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
	db := t.db
	t.db = nil
	return db.Close()
}

// tableLogger passes Pebble's errors on. Pebble expects Fatalf not to return: the goroutine ends, and the table is not used any more.
type tableLogger struct{ t *table }

func (tableLogger) Infof(string, ...any) {}

func (l tableLogger) Errorf(format string, args ...any) {
	l.t.log.Warn("table", "err", fmt.Sprintf(format, args...))
}

func (l tableLogger) Fatalf(format string, args ...any) {
	if !l.t.broken.Swap(true) {
		l.t.onDead(fmt.Errorf(format, args...))
	}
	runtime.Goexit()
}
