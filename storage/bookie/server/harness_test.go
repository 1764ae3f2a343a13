package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/storagetest"
)

func TestMain(m *testing.M) {
	bk.PoisonSlabs(true)
	os.Exit(m.Run())
}

var (
	ourKey   = bkwire.MasterKey(nil)
	otherKey = bkwire.MasterKey([]byte("other"))
	digester = func() bkwire.Digester { d, _ := bkwire.NewDigester(bk.DigestCRC32C, nil); return d }()
)

// gate is a store whose reads can be held up.
type gate struct {
	*storagetest.MapStore
	mu     sync.Mutex
	closed chan struct{}
	inside chan struct{} // told of each read
}

func (g *gate) Read(ledger, first, last int64, maxBytes int) ([]bk.Entry, error) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		g.inside <- struct{}{}
		<-closed
	}
	return g.MapStore.Read(ledger, first, last, maxBytes)
}

// shut holds reads up until open is called.
func (g *gate) shut() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	g.closed = c
	return func() {
		g.mu.Lock()
		g.closed = nil
		g.mu.Unlock()
		close(c)
	}
}

// served is a bookie that is served.
type served struct {
	t     testing.TB
	store *gate
	b     *bookie.Bookie
	s     *Server
	l     *pipes
}

func serve(t testing.TB, o Options) *served {
	store := &gate{MapStore: storagetest.NewMapStore(t), inside: make(chan struct{}, 1<<16)}
	v := &served{t: t, store: store, b: bookie.New("b", store, bookie.Options{QueueBytes: 1 << 20}), l: newPipes()}
	v.s = New(v.b, o)
	done := make(chan error)
	go func() { done <- v.s.Serve(v.l) }()
	t.Cleanup(func() {
		v.s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v.b.Close()
	})
	return v
}

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }

// client is the other end of a connection.
type client struct {
	t  testing.TB
	nc net.Conn
}

func (v *served) dial() *client {
	v.t.Helper()
	here, there := net.Pipe()
	v.l.conns <- there
	v.t.Cleanup(func() { here.Close() })
	return &client{v.t, here}
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	for _, f := range frames {
		if _, err := c.nc.Write(f); err != nil {
			c.t.Fatal(err)
		}
	}
}

// next is the next frame, with its length prefix.
func (c *client) next() ([]byte, error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	f := make([]byte, 4)
	if _, err := io.ReadFull(c.nc, f); err != nil {
		return nil, err
	}
	f = append(f, make([]byte, binary.BigEndian.Uint32(f))...)
	_, err := io.ReadFull(c.nc, f[4:])
	return f, err
}

func (c *client) answer() (bkwire.Response, []byte) {
	c.t.Helper()
	f, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := bkwire.DecodeResponse(f[4:])
	if err != nil {
		c.t.Fatalf("%x: %v", f, err)
	}
	return r, f[4:]
}

// want sends a request and waits for an answer with that code.
func (c *client) want(code bk.Code, request []byte) []byte {
	c.t.Helper()
	c.send(request)
	r, frame := c.answer()
	if r.Code != code {
		c.t.Errorf("%x is answered with %v, want %v", request, r.Code, code)
	}
	return frame[r.Body:]
}

// ended waits for the connection to end.
func (c *client) ended() {
	c.t.Helper()
	if f, err := c.next(); !errors.Is(err, io.EOF) {
		c.t.Errorf("%x, %v; the connection should have ended", f, err)
	}
}

func entry(ledger, id int64, payload string) []byte {
	return append(digester.AppendHead(nil, bkwire.Header{Ledger: ledger, Entry: id, LAC: id - 1, Length: int64(len(payload)) * (id + 1)}, nil, []byte(payload)), payload...)
}

func addFrame(flags bk.Flags, key [20]byte, ledger, id int64, payload string) []byte {
	stored := entry(ledger, id, payload)
	return append(bkwire.AppendAddRequest(nil, flags, &key, len(stored)), stored...)
}

func readFrame(flags bk.Flags, ledger, id int64) []byte {
	return bkwire.AppendRead(nil, flags, ledger, id, &ourKey)
}

func with(frame []byte, at int, b byte) []byte {
	frame = append([]byte{}, frame...)
	frame[at] = b
	return frame
}
