package segment

import (
	"io"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/vfs"
)

// tableDisk is the file system under the table. Pebble tries a flush that fails again at once and for ever, and ends itself when
// its manifest cannot be written, so that neither a full disk nor a failed device may be shown to it: a write that finds no space
// waits for it, and what a device refuses waits for the end. Nobody else waits: flush sees the trouble and returns.
//
// At the end of the log what waits is told that it succeeded, and nothing is written any more. The table is left as a power cut
// would have left it, which every start can deal with, and Pebble closes in order.
//
// While Pebble opens, errors pass: it reports those.
type tableDisk struct {
	vfs.FS
	onFull   func(err error) // gives up what can be given up; called again as long as it helps nothing
	onFailed func(err error)

	mu      sync.Mutex
	opening bool
	frozen  bool
	waiting int           // operations that wait for space
	failed  error         // what the device refused; while opening: the last error
	changed chan struct{} // closed and replaced at every change of the above
	over    bool          // while opening: Pebble ended a goroutine
	ended   chan struct{} // closed with over
}

func newTableDisk(fs vfs.FS) *tableDisk {
	return &tableDisk{FS: fs, changed: make(chan struct{}), ended: make(chan struct{})}
}

func (d *tableDisk) change(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
	close(d.changed)
	d.changed = make(chan struct{})
}

// trouble is why nothing gets on the disk now; changed is closed when the answer may be another.
func (d *tableDisk) trouble() (changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.failed != nil:
		return d.changed, d.failed
	case d.frozen:
		return d.changed, errTableBroken
	case d.waiting > 0:
		return d.changed, errTableFull
	}
	return d.changed, nil
}

func (d *tableDisk) isFrozen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.frozen
}

// freeze ends all waiting: from now on nothing is written.
func (d *tableDisk) freeze() { d.change(func() { d.frozen = true }) }

// do runs an operation that changes the disk until it succeeds. It returns an error only while Pebble opens.
func (d *tableDisk) do(retry bool, op func() error) error {
	waits := false
	defer func() {
		if waits {
			d.change(func() { d.waiting-- })
		}
	}()
	for again := false; ; again = true {
		d.mu.Lock()
		opening, frozen, failed := d.opening, d.frozen, d.failed
		d.mu.Unlock()
		if frozen {
			return nil
		}
		if !opening && failed != nil {
			d.fail(failed)
			return nil
		}
		err := op()
		if err == nil {
			return nil
		}
		d.mu.Lock()
		opening, changed := d.opening, d.changed // it may have ended meanwhile
		d.mu.Unlock()
		full := retry && noSpace(err)
		switch {
		case opening && full && !again:
			d.onFull(err)
		case opening:
			d.change(func() { d.failed = err })
			return err
		case !full:
			d.fail(err)
			return nil
		case !waits:
			waits = true
			d.change(func() { d.waiting++ })
			d.onFull(err)
		default:
			d.onFull(err)
			select {
			case <-changed:
			case <-time.After(spacePoll):
			}
		}
	}
}

// fail notes that the device refused something and waits for the end.
func (d *tableDisk) fail(err error) {
	d.change(func() {
		if d.failed == nil {
			d.failed = err
		}
	})
	d.onFailed(err)
	for {
		d.mu.Lock()
		frozen, changed := d.frozen, d.changed
		d.mu.Unlock()
		if frozen {
			return
		}
		<-changed
	}
}

func (d *tableDisk) Create(name string) (vfs.File, error) {
	var f vfs.File
	err := d.do(true, func() (err error) {
		f, err = d.FS.Create(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = nowhere{}
	}
	return tableFile{f, d}, nil
}

func (d *tableDisk) Open(name string) (vfs.File, error) {
	f, err := d.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return tableFile{f, d}, nil
}

func (d *tableDisk) Rename(from, to string) error {
	return d.do(true, func() error { return d.FS.Rename(from, to) })
}

func (d *tableDisk) SyncDir(dir string) error {
	return d.do(false, func() error { return d.FS.SyncDir(dir) })
}

// Remove passes errors: Pebble counts on none of them.
func (d *tableDisk) Remove(name string) error {
	if d.isFrozen() {
		return nil
	}
	return d.FS.Remove(name)
}

// tableFile is a file of the table.
type tableFile struct {
	vfs.File
	d *tableDisk
}

func (f tableFile) WriteAt(b []byte, off int64) (int, error) {
	done := 0
	err := f.d.do(true, func() error {
		n, err := f.File.WriteAt(b[done:], off+int64(done))
		done += n
		return err
	})
	if err != nil {
		return done, err
	}
	return len(b), nil
}

// Sync is not tried again, whatever the error: a second one proves nothing about the bytes of the first.
func (f tableFile) Sync() error { return f.d.do(false, f.File.Sync) }

// nowhere is a file that was made after the end.
type nowhere struct{}

func (nowhere) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (nowhere) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (nowhere) Sync() error                            { return nil }
func (nowhere) Size() (int64, error)                   { return 0, nil }
func (nowhere) Close() error                           { return nil }
