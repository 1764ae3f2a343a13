package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// cluster is bookies over map stores in one process, with faults between them and their clients. It is the Bookies of its
// clients.
type cluster struct {
	t    testing.TB
	meta *faultMeta

	mu    sync.Mutex
	peers map[string]*peer
	order []string
}

// peer is one bookie and the connection to it that can be made to fail.
type peer struct {
	id   string
	away bool // not registered; guarded by cluster.mu

	mu    sync.Mutex
	store *storagetest.MapStore
	b     *bookie.Bookie
	conn  BookieConn
	state peerState
	stuck []*bk.BookieAdd
	slept chan struct{} // closed when the state changes
}

type peerState uint8

const (
	up   peerState = iota
	hung           // takes everything, answers nothing
	dead           // connections break
)

func newCluster(t testing.TB, bookies int) *cluster {
	m := memory.New()
	t.Cleanup(func() { m.Close() })
	c := &cluster{t: t, meta: &faultMeta{Store: m}, peers: map[string]*peer{}}
	for range bookies {
		c.addBookie()
	}
	return c
}

func (c *cluster) addBookie() *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprintf("bookie-%c", 'a'+len(c.order))
	store := storagetest.NewMapStore(c.t)
	p := &peer{id: id, store: store, slept: make(chan struct{})}
	c.boot(p)
	c.peers[id] = p
	c.order = append(c.order, id)
	return p
}

func (c *cluster) boot(p *peer) {
	var store bookie.Store = p.store
	b := bookie.New(p.id, store, bookie.Options{QueueBytes: 1 << 20})
	p.b, p.conn = b, b.Local()
	c.t.Cleanup(func() { b.Close() })
}

func (c *cluster) peer(id string) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peers[id]
}

func (c *cluster) register(id string, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers[id].away = !yes
}

// to changes the state and returns what was stuck. The caller holds mu.
func (p *peer) to(s peerState) (stuck []*bk.BookieAdd) {
	p.state = s
	close(p.slept)
	p.slept = make(chan struct{})
	stuck, p.stuck = p.stuck, nil
	return stuck
}

// kill ends a bookie as a power cut does: what is not durable is gone, connections break, it is not registered any more.
func (c *cluster) kill(id string) {
	c.register(id, false)
	p := c.peer(id)
	p.mu.Lock()
	stuck := p.to(dead)
	p.store.PowerOff()
	p.mu.Unlock()
	refuse(stuck)
}

// revive starts a killed bookie on what was durable.
func (c *cluster) revive(id string) {
	p := c.peer(id)
	p.mu.Lock()
	p.store = p.store.Crash(c.t)
	c.boot(p)
	p.to(up)
	p.mu.Unlock()
	c.register(id, true)
}

// hang stops a bookie as SIGSTOP does: nothing breaks, nothing is answered, it stays registered.
func (c *cluster) hang(id string) {
	p := c.peer(id)
	p.mu.Lock()
	p.to(hung)
	p.mu.Unlock()
}

// wake lets a hung bookie go on with what it was sent.
func (c *cluster) wake(id string) {
	p := c.peer(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	stuck := p.to(up)
	bodies := make([]bk.Buf, len(stuck)) // an op is not ours any more once it was handed on
	for i, op := range stuck {
		bodies[i] = op.Body
	}
	p.conn.Add(stuck)
	for _, b := range bodies {
		b.Release()
	}
}

// Conn implements Bookies.
func (c *cluster) Conn(id string) (BookieConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[id]
	if p == nil {
		return nil, bk.ErrUnavailable
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == dead {
		return nil, bk.ErrUnavailable
	}
	return p, nil
}

// Writable implements Bookies.
func (c *cluster) Writable() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, id := range c.order {
		if !c.peers[id].away {
			ids = append(ids, id)
		}
	}
	return ids
}

func (c *cluster) client(o Options) *Client {
	if o.pick == nil {
		o.pick = func(int) int { return 0 }
	}
	l := New(c.meta, c, o)
	c.t.Cleanup(func() { l.Close() })
	return l
}

// metadata is what the store says of a ledger.
func (c *cluster) metadata(id int64) *bkwire.Metadata {
	c.t.Helper()
	v, err := c.meta.Get(context.Background(), bkwire.LedgerPath(id))
	if err != nil {
		c.t.Fatal(err)
	}
	md, err := bkwire.DecodeMetadata(v.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return md
}

// Add implements BookieConn. Adds reach the bookie in the order of the calls.
func (p *peer) Add(adds []*bk.BookieAdd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == up {
		p.conn.Add(adds)
		return
	}
	for _, op := range adds {
		op.Body.Retain()
	}
	if p.state == hung {
		p.stuck = append(p.stuck, adds...)
	} else {
		refuse(append([]*bk.BookieAdd{}, adds...))
	}
}

// refuse answers adds that a broken connection had taken.
func refuse(adds []*bk.BookieAdd) {
	if len(adds) == 0 {
		return
	}
	go func() {
		for _, op := range adds {
			op.Err = bk.ErrUnavailable
			op.Body.Release()
		}
		adds[0].Done.BookieAddsDone(adds)
	}()
}

// Read implements BookieConn.
func (p *peer) Read(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	for {
		p.mu.Lock()
		state, slept, conn := p.state, p.slept, p.conn
		p.mu.Unlock()
		switch state {
		case up:
			return conn.Read(ctx, r)
		case dead:
			return nil, bk.ErrUnavailable
		}
		select {
		case <-slept:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *peer) Close() error { return nil }

var triple = bk.CreateOptions{Quorum: bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, Digest: bk.DigestCRC32C}

func mustCreate(t testing.TB, l bk.Ledgers, o bk.CreateOptions) *writer {
	t.Helper()
	w, err := l.Create(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return w.(*writer)
}

func mustOpen(t testing.TB, l bk.Ledgers, id int64, recover bool) bk.Ledger {
	t.Helper()
	r, err := l.Open(context.Background(), id, recover)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// texts are payloads "PREFIX FROM" to before "PREFIX TO".
func texts(prefix string, from, to int) [][]byte {
	var out [][]byte
	for i := from; i < to; i++ {
		out = append(out, fmt.Appendf(nil, "%s %d", prefix, i))
	}
	return out
}

func wantAll(t testing.TB, l bk.Ledger, want [][]byte) {
	t.Helper()
	got := storagetest.ReadAll(t, l)
	if !slices.EqualFunc(got, want, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Fatalf("ledger %d holds %d entries %.200q, want %d %.200q", l.ID(), len(got), got, len(want), want)
	}
}
