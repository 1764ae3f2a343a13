package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/vfs"
)

// table keeps what sealed segments hold and what is known of ledgers in Pebble, without a log of its own: what a power cut takes
// from it is in the footers and in the unsealed segments. It is made when the first segment is sealed.
//
// Only the keeper changes it; every change is one batch, so that a power cut leaves it as it was after some batch.
type table struct {
	fs     vfs.FS
	dir    string
	log    *slog.Logger
	onFull func(err error) // there is no space for the table; called again as long as that is so
	onDead func(err error) // the table cannot be written any more
	broken atomic.Bool     // Pebble gave up; nothing more is asked of it
	dead   chan struct{}   // closed with broken
	live   atomic.Bool     // the start is over: damage in a file of the table is no more a reason to rebuild it

	// version grows before and after every change. Before, because who did not find in the open segments what is about to leave
	// the table must see that it may have missed it; after, because what was read meanwhile must not be kept.
	version atomic.Uint64

	mu     sync.RWMutex
	db     *pebble.DB // nil: there is no table yet
	disk   *tableDisk // what db writes through
	closed bool

	// The keeper's, see table_flush.go.
	flushing <-chan struct{} // a flush that was begun and not seen to end
	backlog  int             // bytes of changes that no flush has covered
	begun    int             // of these, what the one that was begun covers
}

const tableFormat = 1

var (
	errTableBroken  = errors.New("table is not usable")
	errTableVersion = errors.New("unknown table version")
	errTableForeign = errors.New("table of another log")
	errTableFull    = fmt.Errorf("table waits for space: %w", syscall.ENOSPC)
)

func (t *table) exists() bool {
	_, err := t.fs.Stat(filepath.Join(t.dir, "CURRENT"))
	if err == nil {
		return true
	}
	names, err := t.fs.List(t.dir)
	return err == nil && len(names) > 0
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

// badTable reports whether a table that answers err has to be rebuilt: its bytes make no sense, or files lack. An error of the
// operating system says nothing about the bytes.
func badTable(err error) bool {
	var sys *fs.PathError
	var number syscall.Errno
	return errors.Is(err, fs.ErrNotExist) || !errors.As(err, &sys) && !errors.As(err, &number) && !errors.Is(err, errTableBroken)
}
