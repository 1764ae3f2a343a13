package bookie

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/vfs"
)

// Options of a bookie. New looks at QueueBytes and Log only; the zero value is good but for Meta, which Open needs.
type Options struct {
	Meta        meta.Store         // where the cluster's metadata is; the caller keeps owning it
	FS          vfs.FS             // nil: the operating system's
	Segment     segment.Options    // of the log; FS, Log and Watermark are set by Open
	ServiceInfo bkwire.ServiceInfo // how clients of other processes reach the bookie; empty: they do not
	QueueBytes  int64              // of adds in flight on one connection; 0: 128 MiB
	GCInterval  time.Duration      // between two looks for ledgers that metadata no longer knows; 0: 15 min
	Log         *slog.Logger       // nil: nothing is logged
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 128 << 20
	}
	if o.GCInterval <= 0 {
		o.GCInterval = 15 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

const (
	volumeCookie = "VERSION" // the name Apache's bookies give it
	volumeLog    = "log"
)

// Open opens the bookie whose volume is dir, or makes a new one there: its id is a UUID that is born with the volume. When
// it returns, the bookie's cookie is durable on the volume and in the metadata, its log is open, and it is registered.
// Errors are faults.
func Open(ctx context.Context, dir string, o Options) (*Bookie, error) {
	o = o.withDefaults()
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fault.BookieVolume.New("%s: %w", dir, err)
	}
	v := &volume{fs: o.FS, dir: dir}
	cookie, err := v.cookie()
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	if cookie != nil {
		id = cookie.BookieID
	}
	s := o.Segment
	s.FS, s.Log = o.FS, o.Log.With("component", "segment", "bookie", id)
	registered := &atomic.Bool{}
	s.Watermark = watermark(ctx, o.Meta, id, registered)
	store, err := segment.Open(filepath.Join(dir, volumeLog), s)
	if err != nil {
		return nil, err
	}
	// From here the directory is ours, and the id is when it is registered.
	b := New(id, store, o)
	b.registered = registered
	if err := b.join(ctx, v, cookie, o); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// LogMetrics is a snapshot of the bookie's log; false when its store is another.
func (b *Bookie) LogMetrics() (segment.Metrics, bool) {
	log, ok := b.store.(*segment.Log)
	if !ok {
		return segment.Metrics{}, false
	}
	return log.Metrics(), true
}

// volume is the directory in which a bookie lives.
type volume struct {
	fs  vfs.FS
	dir string
}

// cookie is the volume's cookie; nil when it has none.
func (v *volume) cookie() (*bkwire.Cookie, error) {
	text, err := vfs.ReadFile(v.fs, filepath.Join(v.dir, volumeCookie))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.BookieVolume.New("%s: %w", v.dir, err)
	}
	c, err := bkwire.DecodeCookie(text)
	switch {
	case errors.Is(err, bkwire.ErrNewer):
		return nil, fault.BookieFormat.New("%s: %w", filepath.Join(v.dir, volumeCookie), err)
	case err != nil:
		return nil, fault.BookieVolume.New("%s: %w", filepath.Join(v.dir, volumeCookie), err)
	}
	if !bkwire.ValidBookieID(c.BookieID) {
		return nil, fault.BookieVolume.New("%s: bookie id %q", filepath.Join(v.dir, volumeCookie), c.BookieID)
	}
	return &c, nil
}

// stamp writes the volume's cookie, durably.
func (v *volume) stamp(c bkwire.Cookie) error {
	if err := vfs.ReplaceFile(v.fs, filepath.Join(v.dir, volumeCookie), c.Append(nil)); err != nil {
		return fault.BookieVolume.New("%s: %w", v.dir, err)
	}
	return nil
}

// watermarkTime bounds one write of a watermark.
const watermarkTime = 10 * time.Second

// watermark keeps up to where the log is durable in the metadata, that is, not on the log's own device, so that a bookie
// which lost the end of its log knows (decisions: an absent entry is then no proof). Nothing is saved before the bookie is registered: what
// was started on a copy of the volume would put the bookie itself in limbo, although it is going to be refused.
func watermark(ctx context.Context, store meta.Store, id string, registered *atomic.Bool) segment.Watermark {
	key := bkwire.WatermarkPath(id)
	return segment.Watermark{
		Load: func() (generation uint64, synced int64, ok bool, err error) {
			v, err := store.Get(ctx, key)
			if errors.Is(err, meta.ErrNotFound) {
				return 0, 0, false, nil
			}
			if err != nil {
				return 0, 0, false, err
			}
			_, err = fmt.Fscanf(strings.NewReader(string(v.Data)), "%d %d\n", &generation, &synced)
			return generation, synced, err == nil, err
		},
		Save: func(generation uint64, synced int64) error {
			if !registered.Load() {
				return segment.ErrNotNow
			}
			ctx, cancel := context.WithTimeout(context.Background(), watermarkTime)
			defer cancel()
			_, err := store.Put(ctx, key, fmt.Appendf(nil, "%d %d\n", generation, synced), meta.Any)
			return err
		},
	}
}
