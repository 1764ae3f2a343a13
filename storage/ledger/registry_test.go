package ledger

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/storagetest"
)

// closer is a connection that tells whether it was closed.
type closer struct {
	BookieConn
	closed chan struct{}
}

func (c *closer) Close() error {
	close(c.closed)
	return nil
}

func TestRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{{ID: "bookie", Host: "h", Port: 1, Protocol: "bookie-rpc"}}}
		s, err := m.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		register := func(key string, data []byte) {
			t.Helper()
			if _, err := s.PutEphemeral(ctx, key, data); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		unregister := func(key string) {
			t.Helper()
			if err := m.Delete(ctx, key, meta.Any); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		register(bkwire.AvailablePath+"/a", info.Append(nil))
		dialled := map[string]*closer{}
		r, err := NewRegistry(ctx, m, func(id string, got bkwire.ServiceInfo) (BookieConn, error) {
			if id == "unreachable" {
				return nil, errors.New("no route")
			}
			if id == "a" && dialled[id] == nil && len(got.Endpoints) != 1 {
				t.Errorf("%s dialled with %+v", id, got)
			}
			dialled[id] = &closer{closed: make(chan struct{})}
			return dialled[id], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := func(ids ...string) {
			t.Helper()
			if got := r.Writable(); !slices.Equal(got, ids) {
				t.Errorf("writable: %v, want %v", got, ids)
			}
		}
		want("a")
		register(bkwire.AvailablePath+"/b", nil)
		want("a", "b")
		register(bkwire.ReadOnlyPath+"/a", info.Append(nil))
		want("b") // in both lists: it is turning read-only
		unregister(bkwire.AvailablePath + "/a")
		want("b")
		register(bkwire.AvailablePath+"/broken", []byte{0xff})
		want("b")
		a, err := r.Conn("a")
		if again, _ := r.Conn("a"); err != nil || again != a {
			t.Errorf("two connections to one bookie, %v", err)
		}
		if _, err := r.Conn("unreachable"); !errors.Is(err, bk.ErrUnavailable) {
			t.Error(err)
		}
		former := dialled["a"]
		unregister(bkwire.ReadOnlyPath + "/a")
		select {
		case <-former.closed:
		default:
			t.Error("the connection to a bookie that left is open")
		}
		if next, _ := r.Conn("a"); next == a {
			t.Error("a bookie that left is not dialled again")
		}
		r.Close()
		if _, err := r.Conn("b"); !errors.Is(err, bk.ErrClosed) {
			t.Error(err)
		}
		<-dialled["a"].closed
	})
}

// lasting is a connection that outlives its peer.
type lasting struct{ closer }

func (l *lasting) Reconnects() {}

// TestRegistryKeepsConnections: one that connects again by itself is kept while its bookie's registration is away, which may be
// the metadata's fault, and given up when the bookie is elsewhere.
func TestRegistryKeepsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s, err := m.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		register := func(port int) {
			t.Helper()
			info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint("h", port)}}
			if _, err := s.PutEphemeral(ctx, bkwire.AvailablePath+"/a", info.Append(nil)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		unregister := func() {
			t.Helper()
			if err := m.Delete(ctx, bkwire.AvailablePath+"/a", meta.Any); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		register(1)
		r, err := NewRegistry(ctx, m, func(string, bkwire.ServiceInfo) (BookieConn, error) {
			return &lasting{closer{closed: make(chan struct{})}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		get := func() *lasting {
			t.Helper()
			c, err := r.Conn("a")
			if err != nil {
				t.Fatal(err)
			}
			return c.(*lasting)
		}
		first := get()
		unregister()
		if get() != first || len(r.Writable()) != 0 {
			t.Error("not kept while the registration is away, or still writable")
		}
		register(1)
		if get() != first {
			t.Error("not kept when the registration is back")
		}
		unregister()
		register(2)
		if get() == first {
			t.Error("kept although the bookie is elsewhere")
		}
		<-first.closed
	})
}

// TestWhole puts real bookies on real directories under the client, as standalone does, and starts them again.
func TestWhole(t *testing.T) {
	for _, n := range []int{1, 3} {
		dir := t.TempDir()
		m := memory.New()
		t.Cleanup(func() { m.Close() })
		if _, err := Format(ctx, m); err != nil {
			t.Fatal(err)
		}
		life := func(use func(l *Client)) {
			bookies := map[string]*bookie.Bookie{}
			for i := range n {
				b, err := bookie.Open(ctx, filepath.Join(dir, string(rune('0'+i))), bookie.Options{Meta: m, Segment: segment.Options{SegmentBytes: 1 << 20}})
				if err != nil {
					t.Fatal(err)
				}
				bookies[b.ID()] = b
			}
			r, err := NewRegistry(ctx, m, func(id string, _ bkwire.ServiceInfo) (BookieConn, error) {
				if b := bookies[id]; b != nil {
					return b.Local(), nil
				}
				return nil, bk.ErrUnavailable
			})
			if err != nil {
				t.Fatal(err)
			}
			l := New(m, r, Options{})
			use(l)
			if err := errors.Join(l.Close(), r.Close()); err != nil {
				t.Error(err)
			}
			for _, b := range bookies {
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		o := bk.CreateOptions{Quorum: bk.Quorum{Ensemble: n, Write: n, Ack: n/2 + 1}, Digest: bk.DigestCRC32C}
		var id int64
		life(func(l *Client) {
			w := mustCreate(t, l, o)
			id = w.ID()
			a := storagetest.NewAdder(t, w)
			added(t, w, a, texts("entry", 0, 1000)...)
		})
		life(func(l *Client) {
			wantAll(t, mustOpen(t, l, id, true), texts("entry", 0, 1000))
			w := mustCreate(t, l, o)
			added(t, w, storagetest.NewAdder(t, w), texts("next", 0, 10)...)
			if err := w.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	m := memory.New()
	defer m.Close()
	first, err := Format(ctx, m)
	if err != nil || len(first) != 36 {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := Format(ctx, m); err != nil || again != first {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
	if v, err := m.Get(ctx, bkwire.LayoutPath); err != nil || string(v.Data) != bkwire.Layout {
		t.Errorf("%q, %v", v.Data, err)
	}
}

// TestFormatBeside: a founder finds half of what another founder made.
func TestFormatBeside(t *testing.T) {
	m := memory.New()
	defer m.Close()
	if _, err := m.Put(ctx, bkwire.LayoutPath, []byte(bkwire.Layout), meta.Absent); err != nil {
		t.Fatal(err)
	}
	if id, err := Format(ctx, m); err != nil || id == "" {
		t.Errorf("%q, %v", id, err)
	}
}
