package managed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// Manager opens, creates, lists and deletes managed ledgers.
type Manager struct {
	ledgers bk.Ledgers
	meta    meta.Store
	log     *slog.Logger
	opts    Options
	cache   *Cache
	work    *workers
	flusher *flusher
	clock   clock
	count   counters

	ctx  context.Context // ends with the manager
	stop context.CancelFunc

	mu     sync.Mutex
	open   map[string]*Ledger // nil value: being opened or deleted
	shared *Config            // what was asked for last: most managed ledgers have the same
	closed bool
}

// New returns a Manager without reading or writing anything.
func New(o Options) *Manager {
	o = o.withDefaults()
	m := &Manager{
		ledgers: o.Ledgers, meta: o.Meta, log: o.Log.With("component", "managed"), opts: o,
		cache: newCache(o.CacheBytes), work: newWorkers(o.Workers), clock: newClock(o.ClockGrace, o.ClockAhead), open: map[string]*Ledger{},
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.flusher = newFlusher(o)
	return m
}

// Open opens a managed ledger: its open ledger is recovered, which fences a former owner, and its cursors are loaded. No ledger is
// created before the first Append. With create a missing one is created (an empty node). ErrNotFound, ErrOpen, ErrFenced when
// another owner opened it at the same time, or what the ledgers and the metadata store say.
func (m *Manager) Open(ctx context.Context, name string, cfg Config, create bool) (*Ledger, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("managed ledger %q: %w", name, err)
	}
	if err := m.reserve(name); err != nil {
		return nil, fmt.Errorf("managed ledger %s: %w", name, err)
	}
	l, err := m.load(ctx, name, cfg, create)
	for try := 1; errors.Is(err, ErrFenced) && try < openTries; try++ {
		// A former owner that is still alive got its next ledger into the list just before us; that ledger is recovered now.
		l, err = m.load(ctx, name, cfg, create)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		delete(m.open, name)
		return nil, fmt.Errorf("managed ledger %s: %w", name, err)
	}
	m.open[name] = l
	return l, nil
}

// openTries is how often Open reads the list anew when it was changed while the managed ledger was being opened.
const openTries = 5

// reserve makes the name busy until it is set or deleted in open.
func (m *Manager) reserve(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if _, busy := m.open[name]; busy {
		return ErrOpen
	}
	m.open[name] = nil
	return nil
}

// share is cfg with the defaults, the same value for all who ask for the same.
func (m *Manager) share(cfg Config) *Config {
	cfg = cfg.over(m.opts.Defaults)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shared == nil || *m.shared != cfg {
		m.shared = &cfg
	}
	return m.shared
}

func (m *Manager) forget(l *Ledger) {
	m.mu.Lock()
	if m.open[l.name] == l {
		delete(m.open, l.name)
	}
	m.mu.Unlock()
}

// Exists reports whether a managed ledger of that name exists.
func (m *Manager) Exists(ctx context.Context, name string) (bool, error) {
	if err := checkName(name); err != nil {
		return false, fmt.Errorf("managed ledger %q: %w", name, err)
	}
	_, err := m.meta.Get(ctx, ledgerPath(name))
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// List returns the names of the direct children of prefix (tenant/namespace/persistent lists that namespace's topics), sorted and
// still encoded; DecodeName gives the local topic names.
func (m *Manager) List(ctx context.Context, prefix string) ([]string, error) {
	if err := checkName(prefix); err != nil {
		return nil, fmt.Errorf("prefix %q: %w", prefix, err)
	}
	return m.meta.List(ctx, ledgerPath(prefix))
}

// Delete removes a managed ledger that is not open: cursors, then ledgers, then the node. When it fails halfway it can be called
// again. ErrNotFound, ErrOpen.
func (m *Manager) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("managed ledger %q: %w", name, err)
	}
	if err := m.reserve(name); err != nil {
		return fmt.Errorf("managed ledger %s: %w", name, err)
	}
	err := m.remove(ctx, name)
	m.mu.Lock()
	delete(m.open, name)
	m.mu.Unlock()
	if err != nil {
		return fmt.Errorf("managed ledger %s: %w", name, err)
	}
	return nil
}

func (m *Manager) remove(ctx context.Context, name string) error {
	path := ledgerPath(name)
	v, err := m.meta.Get(ctx, path)
	if errors.Is(err, meta.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	info, err := decodeLedgerInfo(v.Data)
	if err != nil {
		return damagedNode(path, err)
	}
	cursors, err := m.meta.List(ctx, path)
	if err != nil {
		return err
	}
	for _, c := range cursors {
		if err := m.removeCursor(ctx, path+"/"+c); err != nil {
			return err
		}
	}
	for i := range info.links {
		if err := m.ledgers.Delete(ctx, info.links[i].ledger); err != nil {
			return err
		}
	}
	return ignoreNotFound(m.meta.Delete(ctx, path, meta.Any))
}

func (m *Manager) removeCursor(ctx context.Context, path string) error {
	v, err := m.meta.Get(ctx, path)
	if err != nil {
		return ignoreNotFound(err)
	}
	if info, err := decodeCursorInfo(v.Data); err == nil && info.ledger >= 0 {
		if err := m.ledgers.Delete(ctx, info.ledger); err != nil {
			return err
		}
	}
	return ignoreNotFound(m.meta.Delete(ctx, path, meta.Any))
}

func ignoreNotFound(err error) error {
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	return err
}

// Cache is the read cache that all managed ledgers of the manager share.
func (m *Manager) Cache() *Cache { return m.cache }

// Close closes every managed ledger that is open (see Ledger.Close) and joins all goroutines. When ctx ends it stops waiting for
// bookies and metadata; what is acknowledged is durable all the same. Idempotent.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	var open []*Ledger
	for _, l := range m.open {
		if l != nil {
			open = append(open, l)
		}
	}
	m.mu.Unlock()

	var g sync.WaitGroup
	slots := make(chan struct{}, m.opts.Workers) // as many at once
	errs := make([]error, len(open))
	for i, l := range open {
		slots <- struct{}{}
		g.Go(func() {
			errs[i] = l.Close(ctx)
			<-slots
		})
	}
	g.Wait()
	m.stop()
	m.flusher.close()
	m.work.close()
	m.cache.close()
	return errors.Join(errs...)
}

// metadataTimeout bounds one step that creates a ledger or writes metadata in the background.
const metadataTimeout = time.Minute
