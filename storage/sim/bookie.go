package sim

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/bookie/server"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/vfs"
)

const (
	bookiePort = 3181
	volume     = "/volume"
	// startPause is between two attempts to start a process that cannot have what it needs.
	startPause = 50 * time.Millisecond
)

// bookieNode is a machine with a disk on which a bookie runs, most of the time.
type bookieNode struct {
	c    *cluster
	name string
	dice *dice
	sync atomic.Int64 // the longest a sync takes

	mu   sync.Mutex
	fs   *vfs.Mem
	p    *process // nil: down
	b    *bookie.Bookie
	life *sync.WaitGroup // of everything of the process
}

// newBookieNode is a machine with an empty volume that says which bookie it is, so that ids are those of the nodes.
func newBookieNode(c *cluster, name string) (*bookieNode, error) {
	n := &bookieNode{c: c, name: name, dice: newDice(c.seed, name), fs: vfs.NewMem()}
	n.sync.Store(int64(c.plan.Sync))
	if err := n.fs.MkdirAll(volume); err != nil {
		return nil, err
	}
	cookie := bkwire.Cookie{BookieID: name, JournalDir: "log", LedgerDirs: []string{"log"}, InstanceID: c.instance}
	return n, vfs.ReplaceFile(n.fs, filepath.Join(volume, "VERSION"), cookie.Append(nil))
}

// boot starts the bookie, in the background: it may have to wait for the metadata.
func (n *bookieNode) boot() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.p != nil {
		return
	}
	n.c.net.powerOn(n.name)
	n.fs.SetCapacity(0) // a start on a full disk is not played: it may be refused
	p, life := newProcess(n.name), &sync.WaitGroup{}
	n.p, n.life = p, life
	fs := &disk{Mem: n.fs, dice: n.dice, sync: &n.sync}
	life.Go(func() { n.run(p, life, fs) })
}

// run is the process until it serves.
func (n *bookieNode) run(p *process, life *sync.WaitGroup, fs *disk) {
	info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint(n.name, bookiePort)}}
	for !p.over() {
		b, err := bookie.Open(p.ctx, volume, bookie.Options{
			Meta: n.c.meta.connect(p, n.dice), FS: fs, ServiceInfo: info, QueueBytes: n.c.plan.BookieQueue, GCInterval: n.c.plan.GC,
			Segment: segment.Options{SegmentBytes: n.c.plan.SegmentBytes, ReserveBytes: -1}, Log: n.c.logger(n.name),
		})
		if err != nil {
			n.c.h.note("%s does not start: %v", n.name, err)
			_ = sleep(p.ctx, startPause)
			continue
		}
		s := server.New(b, server.Options{ReadWorkers: 2, PriorityWorkers: 2, WriteTimeout: n.c.plan.Timeout, DrainTime: 100 * time.Millisecond, Log: n.c.logger(n.name)})
		l := n.c.net.listen(n.name, bookiePort)
		n.mu.Lock()
		n.b = b
		n.mu.Unlock()
		n.c.h.note("%s serves", n.name)
		life.Go(func() {
			if err := s.Serve(l); err != nil {
				n.c.h.fault("%s: %v", n.name, err)
			}
		})
		<-p.ctx.Done()
		s.Close()
		b.Close()
		return
	}
}

// stop ends the process: first nothing that it does is seen any more, then the disk is what it leaves.
func (n *bookieNode) stop(leave func(node string), crash vfs.Crash) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.p == nil {
		return false
	}
	n.p.end()
	leave(n.name)
	left := n.fs.CrashClone(crash)
	n.fs.SetCapacity(0) // what is left of the process ends
	n.fs = left
	n.count()
	n.c.ended(n.life)
	n.p, n.b, n.life = nil, nil, nil
	return true
}

// kill ends the process as kill -9 does: what it wrote is there, synced or not, and its connections end.
func (n *bookieNode) kill() bool { return n.stop(n.c.net.exit, vfs.Crash{Rand: n.rng(), Keep: 1}) }

// powerOff ends the machine: what was not synced is gone, or some of it, and nobody is told.
func (n *bookieNode) powerOff() bool {
	return n.stop(n.c.net.powerOff, vfs.Crash{Rand: n.rng(), Keep: float64(n.dice.n(3)) / 2, Torn: n.dice.one(2)})
}

func (n *bookieNode) rng() *rand.Rand { return rand.New(rand.NewPCG(uint64(n.dice.n(1<<30)), 0)) }

// fill makes the disk of a bookie that serves full but for little, or lets it have room again.
func (n *bookieNode) fill(yes bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	capacity := int64(0)
	if yes {
		capacity = n.fs.Used() + int64(n.dice.n(32<<10))
	}
	if n.b != nil {
		n.fs.SetCapacity(capacity)
	}
	return n.b != nil
}

// count adds the process's figures to the history. The caller holds mu.
func (n *bookieNode) count() {
	if n.b == nil {
		return
	}
	n.c.h.count("bookies: fences", n.b.Metrics().Fences)
	n.c.h.count("bookies: ledgers collected", n.b.Metrics().Dropped)
	if m, ok := n.b.LogMetrics(); ok {
		n.c.h.count("segments sealed", m.Sealed)
		n.c.h.count("segments freed", m.Freed)
		n.c.h.count("segments recycled", m.Recycled)
		n.c.h.count("survivors copied", m.Survivors)
	}
}

// bookie is the bookie that runs, or nil.
func (n *bookieNode) bookie() *bookie.Bookie {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b
}

// sleep waits, at most as long as ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
