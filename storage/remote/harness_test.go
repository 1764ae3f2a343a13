package remote

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/bookie/server"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

func TestMain(m *testing.M) {
	bk.PoisonSlabs(true)
	os.Exit(m.Run())
}

var (
	ctx      = context.Background()
	ourKey   = bkwire.MasterKey(nil)
	digester = func() bkwire.Digester { d, _ := bkwire.NewDigester(bk.DigestCRC32C, nil); return d }()
)

// cluster is bookies over map stores behind real sockets, registered in the metadata.
type cluster struct {
	t     testing.TB
	meta  *memory.Store
	peers []*peer
}

// peer is one bookie of a cluster.
type peer struct {
	c     *cluster
	id    string
	addr  string
	store *storagetest.MapStore
	b     *bookie.Bookie
	s     *server.Server
	leave func()
}

func newCluster(t testing.TB, n int) *cluster {
	c := &cluster{t: t, meta: memory.New()}
	t.Cleanup(func() { c.meta.Close() })
	for i := range n {
		p := &peer{c: c, id: fmt.Sprintf("bookie-%c", 'a'+i), store: storagetest.NewMapStore(t)}
		c.peers = append(c.peers, p)
		p.start()
	}
	return c
}

// start serves and registers the bookie, at its former address if it had one.
func (p *peer) start() {
	t := p.c.t
	t.Helper()
	addr := p.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.b = bookie.New(p.id, p.store, bookie.Options{})
	p.s = server.New(p.b, server.Options{DrainTime: 100 * time.Millisecond})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := p.s.Serve(l); err != nil {
			t.Error(err)
		}
	})
	session, err := p.c.meta.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(p.addr)
	number, _ := strconv.Atoi(port)
	info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint(host, number)}}
	if _, err := session.PutEphemeral(ctx, bkwire.AvailablePath+"/"+p.id, info.Append(nil)); err != nil {
		t.Fatal(err)
	}
	b, s := p.b, p.s
	p.leave = sync.OnceFunc(func() {
		session.Close()
		s.Close()
		serving.Wait()
		b.Close()
	})
	t.Cleanup(func() { p.leave() })
}

// crash ends the bookie, and starts it again with what was durable.
func (p *peer) crash() {
	p.leave()
	p.store = p.store.Crash(p.c.t)
}

// client is a ledger client of its own, as that of another broker.
func (c *cluster) client(o ledger.Options) *ledger.Client {
	c.t.Helper()
	r, err := ledger.NewRegistry(ctx, c.meta, NewDialer(Options{}).Dial)
	if err != nil {
		c.t.Fatal(err)
	}
	l := ledger.New(c.meta, r, o)
	c.t.Cleanup(func() {
		l.Close()
		r.Close()
	})
	return l
}

// answers collects the answers to adds.
type answers struct {
	mu   sync.Mutex
	c    *sync.Cond
	sent int
	done []*bk.BookieAdd
}

func newAnswers() *answers {
	a := &answers{}
	a.c = sync.NewCond(&a.mu)
	return a
}

func (a *answers) BookieAddsDone(done []*bk.BookieAdd) {
	a.mu.Lock()
	a.done = append(a.done, done...)
	a.c.Broadcast()
	a.mu.Unlock()
}

// add sends entries of one ledger, one for each payload, from first on.
func (a *answers) add(c ledger.BookieConn, flags bk.Flags, id, first int64, payloads ...string) {
	list := make([]*bk.BookieAdd, len(payloads))
	for i, p := range payloads {
		entry := first + int64(i)
		list[i] = &bk.BookieAdd{
			Ledger: id, Entry: entry, Flags: flags, MasterKey: ourKey, Body: bk.Bytes([]byte(p)), Done: a,
			Head: digester.AppendHead(nil, bkwire.Header{Ledger: id, Entry: entry, LAC: entry - 1, Length: 1}, nil, []byte(p)),
		}
	}
	a.mu.Lock()
	a.sent += len(list)
	a.mu.Unlock()
	c.Add(list)
}

// wait is all answers, as ENTRY:CODE in their order, once everything was answered.
func (a *answers) wait() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.done) < a.sent {
		a.c.Wait()
	}
	return a.codesLocked()
}

func (a *answers) codes() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.codesLocked()
}

func (a *answers) codesLocked() string {
	s := ""
	for _, d := range a.done {
		s += fmt.Sprintf("%d:%d ", d.Entry, d.Err)
	}
	return s
}
