package segment

import (
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/vfs"
)

// Half of the reserve is free space that entries leave alone, the other half is a file that holds space against other users of
// the disk. When the disk is full all the same, the file is given up, and fences, deletes and tables live on what that frees.

// spaceStep is at most how many new bytes are written between two looks at the free space.
const spaceStep = 16 << 20

// diskFull refuses entries until there is space again. The keeper learns of it once and then looks from time to time: it has what waits
// for space try again, and that ends here when it was in vain.
func (l *Log) diskFull(err error) error {
	f := fault.SegmentDiskFull.New("%s: %w", l.dir, err)
	first := false
	l.state.change(func(s *state) {
		first = s.full == nil
		s.full = f
	})
	if first {
		l.o.Log.Warn("entries refused", "err", f)
		l.kick()
	}
	return f
}

// room reports whether n more bytes may be written to the current segment.
func (w *writer) room(n int64) bool {
	grow := w.pos + n - w.seg.disk
	if grow <= 0 {
		return true // the file has been written once before
	}
	l := w.log
	if w.budget -= min(grow, n); w.budget >= 0 && (l.ballast.Load() || l.o.ReserveBytes == 0) {
		return true // without the reserve's file, what others or the table take would come out of what fences and deletes need
	}
	free, err := l.fs.Free(l.dir)
	if err != nil {
		return true // the write will tell
	}
	left := free - l.o.ReserveBytes/2
	if left < n {
		w.budget = 0
		l.diskFull(fmt.Errorf("%d bytes left: %w", free, syscall.ENOSPC))
		return false
	}
	w.budget = min(left/4, spaceStep)
	return true
}

// space gives up or restores the reserve, and takes entries again once there is room.
func (k *keeper) space() error {
	l := k.log
	if l.o.ReserveBytes == 0 && l.full() == nil {
		return nil
	}
	free, err := l.fs.Free(l.dir)
	if err != nil {
		return err
	}
	half := l.o.ReserveBytes / 2
	if l.full() == nil {
		if free > 2*l.o.ReserveBytes+spaceStep && l.metrics.bytes.Load() > 1<<20 {
			return k.makeBallast(half)
		}
		return nil
	}
	if free < half/2 {
		l.dropBallast()
	}
	if err := k.dropNext(); err != nil {
		return err
	}
	if l.table.trouble() != nil {
		l.table.retry() // whatever the free space is said to be: without the table nothing is sealed
		return nil
	}
	written := l.reg.written(l.roomy())
	if !written && free < half+half/2+l.roomy() {
		return nil
	}
	if written {
		l.wantRoll.Store(true)
	}
	l.state.change(func(s *state) { s.full = nil })
	l.o.Log.Info("entries taken again", "free", free)
	return nil
}

// roomy is the least that there must be room for before entries are taken again.
func (l *Log) roomy() int64 { return min(l.o.SegmentBytes/8, spaceStep) }

// dropNext gives up the next segment if writing it would take disk. What was written ahead is free again, and a file of the pool can take the
// place and the generation: one left out looks like a loss to a start without the table. So does one that the watermark names, and one whose
// header tells, before the table does durably, that an older segment is no more: those stay.
func (k *keeper) dropNext() error {
	l := k.log
	l.preparing.Lock()
	defer l.preparing.Unlock()
	s := l.reg.upcoming()
	if s == nil || s.disk >= l.o.sizeOf(s.generation) || s.recycled > 0 || s.generation != l.generation || s.generation <= k.marked.generation {
		return nil
	}
	if err := l.fs.Remove(s.name); err != nil {
		return err
	}
	l.reg.mu.Lock()
	l.reg.next = nil
	l.reg.mu.Unlock()
	s.file.Close()
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.prepareFailed(err) // it may come back
	}
	l.generation--
	l.wantNext.Store(true) // when there is space
	return nil
}

func (l *Log) ballastFile() string { return filepath.Join(l.dir, "reserve") }

func (k *keeper) makeBallast(size int64) error {
	l := k.log
	if l.ballast.Load() {
		return nil
	}
	f, err := l.fs.Create(l.ballastFile())
	if err != nil {
		return err
	}
	defer f.Close()
	if a, ok := f.(vfs.Allocator); ok {
		err = a.Allocate(size)
	}
	l.ballast.Store(err == nil)
	return err
}

// dropBallast gives the reserve up, and reports whether there was one.
func (l *Log) dropBallast() bool {
	err := l.fs.Remove(l.ballastFile())
	l.ballast.Store(false)
	if err == nil {
		l.o.Log.Warn("disk reserve given up", "dir", l.dir)
	}
	return err == nil
}

// tableFull makes room for the table, and if there is nothing to give up leaves what room comes to it.
func (l *Log) tableFull(err error) {
	if !l.dropBallast() {
		l.diskFull(err)
	}
}

// tableRoom is how much free space a change of the table wants to find.
const tableRoom = 1 << 20

// roomForTable makes sure that the table can be flushed, if need be with the reserve.
func (k *keeper) roomForTable() error {
	l := k.log
	if err := l.table.trouble(); err != nil {
		return err
	}
	room := min(tableRoom, l.o.ReserveBytes/8)
	free, err := l.fs.Free(l.dir)
	if err != nil || free >= room {
		return err
	}
	l.dropBallast()
	if free, err = l.fs.Free(l.dir); err == nil && free < room/4 {
		err = l.diskFull(fmt.Errorf("%d bytes left: %w", free, syscall.ENOSPC))
	}
	return err
}
