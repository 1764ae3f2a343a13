package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// metaReserveBytes is disk space that is kept for metadata alone: entries are refused before the disk is full (bookie.diskReserveMB), but
// other programs fill disks too, and then fences, deletions and positions must still be written.
const metaReserveBytes = 8 << 20

// metaReserve is a file that holds the space until it is needed.
type metaReserve struct {
	path string
	log  *slog.Logger

	mu sync.Mutex
}

func newMetaReserve(data string, log *slog.Logger) *metaReserve {
	return &metaReserve{path: filepath.Join(data, "meta-reserve"), log: log}
}

// fill makes the file if it is not there; a disk that has no room for it gets none.
func (r *metaReserve) fill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if info, err := os.Stat(r.path); err == nil && info.Size() == metaReserveBytes {
		return
	}
	// Written, not only sized: a sparse file holds nothing.
	if err := os.WriteFile(r.path, make([]byte, metaReserveBytes), 0o600); err != nil {
		_ = os.Remove(r.path)
		r.log.Warn("no disk space could be reserved for metadata", "bytes", metaReserveBytes, "error", err)
	}
}

// giveUp frees the space, for the metadata store that met a full disk. It is filled again at the next start.
func (r *metaReserve) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if os.Remove(r.path) == nil {
		r.log.Error("the disk is full: the space reserved for metadata was given up; free some space, then restart strobe to reserve it again", "freed", metaReserveBytes)
	}
}
