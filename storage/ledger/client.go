// Package ledger is the ledger client: it makes ledgers on ensembles of bookies, writes entries to their quorums, confirms
// them in order, replaces bookies that fail, reads with fallback, and recovers what another writer left (interop §3). The
// decisions are storage/quorum's; the bytes are storage/bkwire's; bookies are reached through BookieConn.
//
// Path of an add: writer.Add (entry id, digest, one head for all replicas) -> BookieConn.Add -> Client.BookieAddsDone
// (acknowledgements, confirmation) -> completer -> the owner's AddsDone.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
)

// Client makes, opens and deletes ledgers; it implements bk.Ledgers. Safe for concurrent use.
type Client struct {
	meta    meta.Store
	bookies Bookies
	o       Options
	log     *slog.Logger

	metrics   counters
	ids       ids
	completer completer
	marks     marks
	ops       sync.Pool

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup // ensemble changes, reads of a recovery, marks

	changes chan struct{} // room for ensemble changes

	mu          sync.Mutex
	quarantined map[string]sentence
	slow        map[string]time.Time     // bookies that made a read wait: until when others are asked first
	lags        map[string]*atomic.Int64 // of a bookie: see member
	away        time.Time                // until when the metadata is not asked about ensemble changes
	writers     map[*writer]bool
	closed      bool
}

var _ bk.Ledgers = (*Client)(nil)

// New returns a client. It owns neither the store nor the bookies.
func New(store meta.Store, bookies Bookies, o Options) *Client {
	c := &Client{meta: store, bookies: bookies, o: o.withDefaults(), writers: map[*writer]bool{},
		quarantined: map[string]sentence{}, slow: map[string]time.Time{}, lags: map[string]*atomic.Int64{}, changes: make(chan struct{}, maxChanges)}
	c.log = c.o.Log.With("component", "ledger")
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.ops.New = func() any { return new(op) }
	c.completer.start()
	c.marks.start(c)
	return c
}

// Create implements bk.Ledgers. With fewer bookies than asked for the ledger is made smaller, never below the ack quorum,
// and marked as under-replicated.
func (c *Client) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	if !quorum.Valid(o.Quorum) {
		return nil, fmt.Errorf("create ledger with quorum %d/%d/%d: %w", o.Quorum.Ensemble, o.Quorum.Write, o.Quorum.Ack, bk.ErrBadRequest)
	}
	digester, err := bkwire.NewDigester(o.Digest, o.Password)
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	members, err := c.newEnsemble(o.Quorum)
	if err != nil {
		return nil, err
	}
	q, _ := quorum.Shrink(o.Quorum, len(members))
	md := &bkwire.Metadata{
		Version: bkwire.MetadataVersion, Quorum: q, State: bkwire.Open, Last: bk.NoEntry,
		Segments: []bkwire.Segment{{Bookies: idsOf(members)}},
		Digest:   o.Digest, Password: append([]byte{}, o.Password...), CTime: time.Now().UnixMilli(), Token: newToken(),
	}
	md.SetCustom(o.Custom)
	id, version, err := c.createMetadata(ctx, md)
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	w := newWriter(c, id, md, version, digester, members, bk.NoEntry, 0)
	w.asked = o.Quorum
	if q != o.Quorum {
		c.marks.add(id, "")
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.writers[w] = true
	}
	c.mu.Unlock()
	if closed {
		return nil, fmt.Errorf("create ledger: %w", bk.ErrClosed)
	}
	c.metrics.created.Add(1)
	return w, nil
}

// newEnsemble picks bookies for a new ledger and connects to them: as many as the ensemble asks for, or what there is.
func (c *Client) newEnsemble(q bk.Quorum) ([]*member, error) {
	var members []*member
	var tried []string
	for len(members) < q.Ensemble {
		more := quorum.Choose(q.Ensemble-len(members), c.bookies.Writable(), tried, c.avoided(), c.o.pick)
		if len(more) == 0 {
			break
		}
		for _, id := range more {
			tried = append(tried, id)
			conn, err := c.bookies.Conn(id)
			if err != nil {
				c.quarantine(id, err)
				continue
			}
			members = append(members, c.newMember(len(members), id, conn))
		}
	}
	if _, ok := quorum.Shrink(q, len(members)); !ok {
		return nil, fault.LedgerNotEnough.New("%d take entries, the ack quorum is %d: %w", len(members), q.Ack, bk.ErrNotEnough)
	}
	return members, nil
}

// Open implements bk.Ledgers.
func (c *Client) Open(ctx context.Context, id int64, recover bool) (bk.Ledger, error) {
	md, version, err := c.load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open ledger %d: %w", id, err)
	}
	digester, err := bkwire.NewDigester(md.Digest, md.Password)
	if err != nil {
		return nil, fmt.Errorf("open ledger %d: %w", id, err)
	}
	if recover && md.State != bkwire.Closed {
		if md, err = c.recover(ctx, id, md, version, digester); err != nil {
			return nil, fmt.Errorf("recover ledger %d: %w", id, err)
		}
		c.metrics.recoveries.Add(1)
	}
	r := &reader{c: c, id: id, md: md, digester: digester, lac: bk.NoEntry}
	if err := r.refresh(ctx); err != nil {
		return nil, fmt.Errorf("open ledger %d: %w", id, err)
	}
	return r, nil
}

// Delete implements bk.Ledgers.
func (c *Client) Delete(ctx context.Context, id int64) error {
	if err := c.deleteMetadata(ctx, id); err != nil {
		return fmt.Errorf("delete ledger %d: %w", id, err)
	}
	return nil
}

// start runs f on a goroutine that Close joins; it reports false, and runs nothing, when the client is closed.
func (c *Client) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.work.Go(f)
	}
	return !c.closed
}

// forget is told of a writer that was closed.
func (c *Client) forget(w *writer) {
	c.mu.Lock()
	delete(c.writers, w)
	c.mu.Unlock()
}

// flushTime is how long a Close waits for under-replication marks to be written.
const flushTime = 2 * time.Second

// Close fails what is pending with bk.ErrClosed, completes it, and joins what the client started. Ledgers that are open for
// writing stay so in the metadata: the next owner recovers them. Idempotent.
func (c *Client) Close() error {
	c.marks.flush(flushTime)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	writers := c.writers
	c.writers = map[*writer]bool{}
	c.mu.Unlock()
	c.stop()
	for w := range writers {
		w.abandon()
	}
	c.work.Wait()
	c.completer.Close()
	return nil
}
