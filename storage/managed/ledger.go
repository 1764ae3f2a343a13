package managed

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// Ledger is one open managed ledger: a chain of ledgers of which the last may be open for writing, and the cursors on it. All
// methods are safe for concurrent use.
type Ledger struct {
	m    *Manager
	name string

	// ctl serialises what changes the list of ledgers: creating, rolling, recovering, trimming, terminating, closing. It is
	// taken before mu and held across blocking calls.
	ctl  ctlLock
	node slot   // under ctl
	rest []byte // fields of the node that are not understood; under ctl

	// table serialises creating and deleting cursors, which need not wait for ledgers. It is taken before mu, after ctl.
	table ctlLock

	mu         sync.Mutex         // guards what follows, and the fields of writer, reader and Cursor
	cfg        *Config            // shared, never changed
	halt       context.CancelFunc // ends the step that the control work is at
	chain      chain
	lac        bk.Position
	added      int64 // entries confirmed since it was opened
	props      map[string]string
	terminated *bk.Position
	dead       error // ErrFenced, ErrClosed or ErrTerminated: takes no more entries

	w         *writer   // nil: no ledger is open for writing
	spare     bk.Ledger // created ahead of need, not in the chain yet
	wantSpare bool
	answered  time.Time // when the metadata did last, as far as it matters
	waiting   opList    // ops for which there is no ledger yet
	stalled   time.Time // since when a ledger is being tried for; zero: not
	retry     *time.Timer
	pause     time.Duration // before the next try
	working   bool          // control work is queued or runs
	again     bool          // something changed since it looked
	idle      chan struct{} // non-nil while somebody waits for it: closed when nothing is in flight, or the ledger broke
	closed    bool

	wantTrim  bool
	trimTimer *time.Timer // for retention by time; nil: nothing to wait for
	doomed    []int64     // dropped from the chain; deleted once the node says so

	readers map[int64]*reader
	cursors []*Cursor            // durable ones, by name
	loose   map[*Cursor]struct{} // non-durable cursors

	onFenced func(error)
	onRolled func(closed int64)
	onUpdate func(props map[string]string)
}

// path is the key of the node.
func (l *Ledger) path() string { return ledgerPath(l.name) }

// Name is the managed ledger's name: tenant/namespace/persistent/encoded topic.
func (l *Ledger) Name() string { return l.name }

// OnFenced sets what is called once, on a goroutine of the manager, when the managed ledger is found to belong to another owner. If
// it has happened already, it is called soon.
func (l *Ledger) OnFenced(call func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onFenced = call
	if l.dead == ErrFenced {
		l.m.work.run(func() { call(ErrFenced) })
	}
}

// OnRolled sets what is called, on a goroutine of the manager and off every lock, after a ledger was closed for good: the time to
// move a cursor that only remembers something (deduplication snapshots), so that it does not hold the ledger.
func (l *Ledger) OnRolled(call func(closed int64)) {
	l.mu.Lock()
	l.onRolled = call
	l.mu.Unlock()
}

// OnUpdate sets what is called before the node is written, off every lock, to bring properties up to date that change with every
// publish ("index", interop §7.3): call changes the map it is given. It must not call methods of the managed ledger that take a
// context.
func (l *Ledger) OnUpdate(call func(props map[string]string)) {
	l.mu.Lock()
	l.onUpdate = call
	l.mu.Unlock()
}

// Properties is a copy of the node's properties.
func (l *Ledger) Properties() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.props)
}

// SetProperties changes properties; an empty value removes one. They are durable when it returns nil.
func (l *Ledger) SetProperties(ctx context.Context, change map[string]string) error {
	if err := l.ctl.lock(ctx); err != nil {
		return err
	}
	defer l.ctl.unlock()
	if err := l.usable(); err != nil {
		return err
	}
	return l.save(ctx, func(i *ledgerInfo) {
		if i.properties == nil {
			i.properties = map[string]string{}
		}
		for k, v := range change {
			if v == "" {
				delete(i.properties, k)
			} else {
				i.properties[k] = v
			}
		}
	})
}

// Config is the configuration in force.
func (l *Ledger) Config() Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.cfg
}

// SetConfig changes the configuration. Quorums and digest count from the next ledger on, the rest at once.
func (l *Ledger) SetConfig(cfg Config) {
	shared := l.m.share(cfg)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg = shared
	if l.w != nil && l.w.open() {
		l.w.armLocked()
	}
	l.trimSoonLocked()
}

// logger is made when there is something to say, which is seldom; idle managed ledgers are many.
func (l *Ledger) logger() *slog.Logger { return l.m.log.With("ledger", l.name) }

// usable is nil, or why the managed ledger's metadata can no longer be changed here.
func (l *Ledger) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead == ErrTerminated {
		return nil
	}
	return l.dead
}

// save writes the node: the chain as it is in memory, with what change does to it, and then deletes the ledgers that the node no
// longer names. It is called under ctl. ErrFenced when another owner wrote the node; meta.ErrUnknown when ctx ended first.
func (l *Ledger) save(ctx context.Context, change func(*ledgerInfo)) error {
	l.mu.Lock()
	update := l.onUpdate
	info := ledgerInfo{
		links: append([]link(nil), l.chain.links...), terminated: l.terminated, properties: maps.Clone(l.props), rest: l.rest,
	}
	doomed := l.doomed
	l.doomed = nil
	l.mu.Unlock()
	if update != nil {
		if info.properties == nil {
			info.properties = map[string]string{}
		}
		update(info.properties)
	}
	if change != nil {
		change(&info)
	}
	err := l.node.write(ctx, l.m, l.path(), info.encode())
	if err != nil {
		l.mu.Lock()
		l.doomed = append(doomed, l.doomed...)
		l.mu.Unlock()
		if errors.Is(err, meta.ErrConflict) {
			l.fence("the list of ledgers was written by another owner")
			return ErrFenced
		}
		return err
	}
	l.mu.Lock()
	l.props, l.terminated = info.properties, info.terminated
	l.mu.Unlock()
	for _, id := range doomed {
		l.erase(ctx, id)
	}
	return nil
}

// erase deletes a ledger that is no longer in the list, after the reads that run on it.
func (l *Ledger) erase(ctx context.Context, id int64) {
	l.m.cache.forget(id)
	l.mu.Lock()
	r := l.readers[id]
	delete(l.readers, id)
	if r != nil {
		r.gone = true
		if r.users > 0 {
			r.erase = true
			l.mu.Unlock()
			return
		}
	}
	l.mu.Unlock()
	if r != nil && r.ledger != nil {
		_ = r.ledger.Close(ctx)
	}
	if err := l.m.ledgers.Delete(ctx, id); err != nil {
		l.logger().Warn("ledger not deleted, trying again later", "id", id, "err", err)
		l.mu.Lock()
		l.doomed = append(l.doomed, id)
		l.mu.Unlock()
		return
	}
	l.m.count.trimmed.Add(1)
}

// fence gives the managed ledger up: another owner has it.
func (l *Ledger) fence(why string) {
	l.mu.Lock()
	if l.dead != nil && l.dead != ErrTerminated {
		l.mu.Unlock()
		return
	}
	l.dead = ErrFenced
	l.m.count.fenced.Add(1)
	l.kickLocked()
	if call := l.onFenced; call != nil {
		l.m.work.run(func() { call(ErrFenced) })
	}
	l.mu.Unlock()
	l.logger().Warn("fenced", "why", why)
}
