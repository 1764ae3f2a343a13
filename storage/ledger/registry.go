package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// Registry is Bookies by the registrations in the metadata (interop §4.6): who is there, who takes entries, and a
// connection to each, made at first use.
type Registry struct {
	meta meta.Store
	dial Dial
	stop context.CancelFunc

	work sync.WaitGroup
	wake chan struct{} // registrations changed

	mu       sync.Mutex
	writable []string
	infos    map[string]bkwire.ServiceInfo // of those registered, writable or not
	conns    map[string]dialled
	closed   bool
}

// dialled is a connection and the registration it was made by.
type dialled struct {
	conn BookieConn
	info []byte
}

// Dial connects to a bookie. info is what it registered with; empty when it is not registered. It does not wait for the
// peer: a bookie that cannot be reached shows in the answers of the connection.
type Dial func(id string, info bkwire.ServiceInfo) (BookieConn, error)

var _ Bookies = (*Registry)(nil)

// NewRegistry reads the registrations and follows them until Close.
func NewRegistry(ctx context.Context, store meta.Store, dial Dial) (*Registry, error) {
	life, stop := context.WithCancel(context.Background())
	r := &Registry{meta: store, dial: dial, stop: stop, wake: make(chan struct{}, 1), infos: map[string]bkwire.ServiceInfo{}, conns: map[string]dialled{}}
	err := store.Watch(life, bkwire.AvailablePath, func(meta.Event) {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	})
	if err == nil {
		err = r.reload(ctx)
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("registrations of bookies: %w", err)
	}
	r.work.Go(func() { r.follow(life) })
	return r, nil
}

// follow reads the registrations again whenever they change.
func (r *Registry) follow(ctx context.Context) {
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		for r.reload(ctx) != nil {
			if pause(ctx, unknownPause) != nil {
				return
			}
		}
	}
}

// reload reads who is registered. A bookie that stands in both lists (it is changing between them) counts as read-only.
func (r *Registry) reload(ctx context.Context) error {
	all, err := r.meta.List(ctx, bkwire.AvailablePath)
	if err != nil {
		return err
	}
	readOnly, err := r.meta.List(ctx, bkwire.ReadOnlyPath)
	if err != nil {
		return err
	}
	dir := strings.TrimPrefix(bkwire.ReadOnlyPath, bkwire.AvailablePath+"/")
	infos := map[string]bkwire.ServiceInfo{}
	var writable []string
	for _, id := range all {
		if id == dir {
			continue
		}
		ok, err := r.readInfo(ctx, infos, id, bkwire.AvailablePath+"/"+id)
		if err != nil {
			return err
		}
		if ok && !slices.Contains(readOnly, id) {
			writable = append(writable, id)
		}
	}
	for _, id := range readOnly {
		if _, err := r.readInfo(ctx, infos, id, bkwire.ReadOnlyPath+"/"+id); err != nil {
			return err
		}
	}
	r.mu.Lock()
	var gone []BookieConn
	for id, d := range r.conns {
		info, ok := infos[id]
		_, was := r.infos[id]
		_, lasting := d.conn.(Reconnector)
		switch {
		case ok && (was || lasting) && !bytes.Equal(d.info, info.Append(nil)): // it is elsewhere now
		case !ok && was && !lasting:
		default:
			continue
		}
		gone = append(gone, d.conn)
		delete(r.conns, id)
	}
	r.writable, r.infos = writable, infos
	r.mu.Unlock()
	for _, c := range gone {
		r.work.Go(func() { c.Close() })
	}
	return nil
}

func (r *Registry) readInfo(ctx context.Context, infos map[string]bkwire.ServiceInfo, id, path string) (bool, error) {
	v, err := r.meta.Get(ctx, path)
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil // gone since the list was made
	}
	if err != nil {
		return false, err
	}
	info, err := bkwire.DecodeServiceInfo(v.Data)
	if err != nil {
		return false, nil // one bookie that nobody can reach does not hide the others
	}
	infos[id] = info
	return true, nil
}

// Conn implements Bookies.
func (r *Registry) Conn(id string) (BookieConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, bk.ErrClosed
	}
	if d, ok := r.conns[id]; ok {
		return d.conn, nil
	}
	info := r.infos[id]
	c, err := r.dial(id, info)
	if err != nil {
		return nil, fmt.Errorf("bookie %s: %w: %w", id, bk.ErrUnavailable, err)
	}
	r.conns[id] = dialled{c, info.Append(nil)}
	return c, nil
}

// Writable implements Bookies.
func (r *Registry) Writable() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.writable)
}

// Close closes the connections. Idempotent.
func (r *Registry) Close() error {
	r.stop()
	r.mu.Lock()
	r.closed = true
	conns := r.conns
	r.conns = nil
	r.mu.Unlock()
	for _, d := range conns {
		d.conn.Close()
	}
	r.work.Wait()
	return nil
}
