package managed

import (
	"context"
	"errors"
	"fmt"
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
	log  *slog.Logger

	// ctl serialises what changes metadata and ledgers: creating, rolling, recovering, trimming, terminating, closing. It is
	// taken before mu and held across blocking calls.
	ctl     ctlLock
	version meta.Version // of the node; under ctl
	rest    []byte       // fields of the node that are not understood; under ctl

	mu         sync.Mutex // guards what follows, and the fields of writer, reader and Cursor
	cfg        Config
	chain      chain
	lac        bk.Position
	props      map[string]string
	terminated *bk.Position
	dead       error // ErrFenced, ErrClosed or ErrTerminated: takes no more entries

	w         *writer   // nil: no ledger is open for writing
	spare     bk.Ledger // created ahead of need, not in the chain yet
	wantSpare bool
	waiting   opList // ops for which there is no ledger yet
	waitBytes int64
	stalled   time.Time // since when a ledger is being tried for; zero: not
	retry     *time.Timer
	pause     time.Duration // before the next try
	working   bool          // control work is queued or runs
	again     bool          // something changed since it looked
	unsaved   bool          // the chain differs from the node
	drained   chan struct{} // closed when the last op was handed back; non-nil while somebody waits

	readers map[int64]*reader
	cursors map[string]*Cursor
	loose   map[*Cursor]struct{} // non-durable cursors

	onFenced func(error)
	onUpdate func(props map[string]string)
}

// Name is the managed ledger's name: tenant/namespace/persistent/encoded topic.
func (l *Ledger) Name() string { return l.name }

// OnFenced sets what is called once, on a goroutine of the manager, when the managed ledger is found to belong to another owner. If
// it has happened already, it is called at once, on another goroutine.
func (l *Ledger) OnFenced(call func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead == ErrFenced {
		l.m.work.run(func() { call(ErrFenced) })
		return
	}
	l.onFenced = call
}

// OnUpdate sets what is called before the node is written, off every lock, to bring properties up to date that change with every
// publish ("index", interop §7.3): call changes the map it is given.
func (l *Ledger) OnUpdate(call func(props map[string]string)) {
	l.mu.Lock()
	l.onUpdate = call
	l.mu.Unlock()
}

// LastConfirmed is the last entry that is acknowledged and readable. On a managed ledger without entries it is a place before the
// first: (L, -1) or bk.Earliest.
func (l *Ledger) LastConfirmed() bk.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lac
}

// First is the first entry there is; ok is false when there is none.
func (l *Ledger) First() (p bk.Position, ok bool) { return l.AtOrAfter(bk.Earliest) }

// AtOrAfter is the first entry at or behind p; ok is false when there is none yet.
func (l *Ledger) AtOrAfter(p bk.Position) (q bk.Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.atOrAfter(p)
}

// Next is the entry behind p. When it does not exist yet it is the place behind p in the same ledger, from which Read goes on
// wherever the next entry lands.
func (l *Ledger) Next(p bk.Position) bk.Position {
	p.Entry++
	if q, ok := l.AtOrAfter(p); ok {
		return q
	}
	return p
}

// Previous is the last entry before p, or the place before the first entry.
func (l *Ledger) Previous(p bk.Position) bk.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.before(p)
}

// EntriesBetween is how many entries lie behind a and not behind b; 0 when b is before a. EntriesBetween(mark-delete, LastConfirmed)
// is a backlog. Positions need not exist.
func (l *Ledger) EntriesBetween(a, b bk.Position) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.chain.ordinal(b)-l.chain.ordinal(a))
}

// Terminated is the last position of a terminated managed ledger.
func (l *Ledger) Terminated() (last bk.Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminated == nil {
		return bk.Position{}, false
	}
	return *l.terminated, true
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
	l.mu.Lock()
	props := maps.Clone(l.props)
	l.mu.Unlock()
	if props == nil {
		props = map[string]string{}
	}
	for k, v := range change {
		if v == "" {
			delete(props, k)
		} else {
			props[k] = v
		}
	}
	return l.save(ctx, func(i *ledgerInfo) { i.properties = props })
}

// usable is nil, or why the managed ledger's metadata can no longer be changed here.
func (l *Ledger) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead == ErrTerminated {
		return nil
	}
	return l.dead
}

// Config is the configuration in force.
func (l *Ledger) Config() Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg
}

// SetConfig changes the configuration. Quorums and digest count from the next ledger on; retention counts at once.
func (l *Ledger) SetConfig(cfg Config) {
	cfg = cfg.over(l.m.opts.Defaults)
	l.mu.Lock()
	l.cfg = cfg
	l.mu.Unlock()
	l.trimSoon()
}

// save writes the node: the chain as it is in memory, changed by change. It is called under ctl, and its result is known: on a
// conflict the managed ledger is fenced. When ctx ends first the result is unknown, and the next save finds out.
func (l *Ledger) save(ctx context.Context, change func(*ledgerInfo)) error {
	l.mu.Lock()
	update := l.onUpdate
	props := maps.Clone(l.props)
	l.mu.Unlock()
	if update != nil {
		if props == nil {
			props = map[string]string{}
		}
		update(props)
	}
	l.mu.Lock()
	info := ledgerInfo{links: append([]link(nil), l.chain.links...), terminated: l.terminated, properties: props, rest: l.rest}
	l.mu.Unlock()
	if change != nil {
		change(&info)
	}
	v, err := l.m.swap(ctx, ledgerPath(l.name), info.encode(), l.version)
	if errors.Is(err, meta.ErrConflict) {
		l.fence(fmt.Errorf("the list of ledgers was changed by another owner"))
		return ErrFenced
	}
	if err != nil {
		return err
	}
	l.version = v
	l.mu.Lock()
	l.props, l.terminated = info.properties, info.terminated
	l.unsaved = false
	l.mu.Unlock()
	return nil
}
