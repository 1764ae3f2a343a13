// Package clocks tells how far apart the wall clocks of a cluster's processes are. Each writes its own time into the metadata once a minute,
// under /strobe/clocks/<id> in milliseconds since 1970, and compares what the others write with its own when it is told of it.
//
// Only one thing is decided by a wall clock that another process has set: whether a ledger is older than its retention. A process whose clock
// is ahead must not think so too early, so it goes by the slowest clock around (Ahead).
package clocks

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// root is where the times lie.
const root = "/strobe/clocks"

const (
	// tolerance is how far apart clocks may be before it is told: far above what the metadata store takes to tell of a change.
	tolerance = 10 * time.Second
	// sane is how far behind a single clock is believed to be. One that is further behind was never set.
	sane = 24 * time.Hour
	// maxClocks bounds how many others are listened to.
	maxClocks = 1024
	// maxTime is the longest text that is read as a time.
	maxTime = 24
)

// Options of Clocks.
type Options struct {
	Meta  meta.Store
	ID    string           // of this process in the cluster
	Every time.Duration    // between two writes; 0: a minute
	Now   func() time.Time // the wall clock; nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Clocks is what one process knows of the others' clocks. Its methods are safe for concurrent use.
type Clocks struct {
	o    Options
	stop context.CancelFunc
	work sync.WaitGroup
	wake chan struct{}

	mu      sync.Mutex
	changed map[string]bool   // ids whose times are to be read
	others  map[string]*other // who was heard, also if it is silent now: what it wrote while it lived still counts
}

type other struct {
	offset time.Duration // how far its clock was ahead of ours, when it was last heard; less than it is by the time that hearing of it took
	far    int           // how often in a row it was further than tolerance
}

// Metrics is the clocks at one moment.
type Metrics struct {
	Heard int     // processes whose clocks are known
	Skew  float64 // seconds between this clock and the one furthest from it
	Ahead float64 // seconds by which this process's clock is held to be ahead
}

// Open begins to write and to listen, until Close.
func Open(ctx context.Context, o Options) (*Clocks, error) {
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	c := &Clocks{o: o, wake: make(chan struct{}, 1), changed: map[string]bool{}, others: map[string]*other{}}
	life, stop := context.WithCancel(context.Background())
	c.stop = stop
	if err := o.Meta.Watch(life, root, c.on); err != nil {
		stop()
		return nil, fmt.Errorf("clocks of other processes: %w", err)
	}
	c.work.Go(func() { c.tell(life) })
	c.work.Go(func() { c.listen(life) })
	return c, nil
}

func key(id string) string { return root + "/" + id }

// tell writes our time again and again. A write that fails is not repeated: the next one is newer.
func (c *Clocks) tell(ctx context.Context) {
	ticker := time.NewTicker(c.o.Every)
	defer ticker.Stop()
	for {
		write, cancel := context.WithTimeout(ctx, c.o.Every)
		text := strconv.AppendInt(nil, c.o.Now().UnixMilli(), 10)
		if _, err := c.o.Meta.Put(write, key(c.o.ID), append(text, '\n'), meta.Any); err != nil && ctx.Err() == nil {
			c.o.Log.Debug("this process's time is not told", "error", err)
		}
		cancel()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// on is told of a change by the store.
func (c *Clocks) on(e meta.Event) {
	id, ok := strings.CutPrefix(e.Key, root+"/")
	if !ok || e.Deleted || id == c.o.ID {
		return // what was written before we listened says nothing: nobody knows when that was
	}
	c.mu.Lock()
	if len(c.changed) < maxClocks {
		c.changed[id] = true
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Clocks) listen(ctx context.Context) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		c.mu.Lock()
		changed := c.changed
		c.changed = map[string]bool{}
		c.mu.Unlock()
		for id := range changed {
			v, err := c.o.Meta.Get(ctx, key(id))
			if err != nil {
				continue // the next one comes in a minute
			}
			if at, ok := parse(v.Data); ok {
				c.heard(id, at.Sub(c.o.Now()))
			}
		}
	}
}

// parse reads a time as it lies in the metadata.
func parse(text []byte) (time.Time, bool) {
	if len(text) > maxTime {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.UnixMilli(ms), err == nil && ms >= 0
}

// heard takes note of how far another clock is ahead of ours, and says it once when it is far.
func (c *Clocks) heard(id string, offset time.Duration) {
	c.mu.Lock()
	x := c.others[id]
	if x == nil {
		if len(c.others) == maxClocks {
			c.mu.Unlock()
			return
		}
		x = &other{}
		c.others[id] = x
	}
	x.offset = offset
	if offset.Abs() > tolerance {
		x.far++
	} else {
		x.far = 0
	}
	say := x.far == 2 // one alone may only have been late
	c.mu.Unlock()
	if say {
		c.o.Log.Warn("clocks differ", "error", fault.ClusterClocks.New("that of %s is %v ahead of this one", id, offset.Round(time.Second)))
	}
}

// Ahead is how far this process's clock may be ahead of the right time: as far as it is ahead of the slowest of the others, or of most of
// them. A single clock that is more than a day behind is not believed. 0 when nobody was heard.
func (c *Clocks) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []time.Duration{0}
	ahead := time.Duration(0)
	for _, x := range c.others {
		all = append(all, x.offset)
		if behind := -x.offset; behind <= sane {
			ahead = max(ahead, behind)
		}
	}
	slices.Sort(all)
	return max(ahead, -all[len(all)/2])
}

// Metrics takes a snapshot.
func (c *Clocks) Metrics() Metrics {
	m := Metrics{Ahead: c.Ahead().Seconds()}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.Heard = len(c.others)
	for _, x := range c.others {
		m.Skew = max(m.Skew, x.offset.Abs().Seconds())
	}
	return m
}

// Close stops, takes our time away, and joins. Idempotent.
func (c *Clocks) Close() error {
	c.stop()
	c.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.o.Meta.Delete(ctx, key(c.o.ID), meta.Any) // a key that stays is not listened to
	return nil
}
