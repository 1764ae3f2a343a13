package bookie

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

const (
	// vanishTime is how long a registration at another address may stand in the way: a session's time-out and a bit.
	vanishTime = 15 * time.Second
	// registerPause is between two attempts to register.
	registerPause = 200 * time.Millisecond
	// readOnlyPoll is how often a read-only bookie looks whether its store takes entries again.
	readOnlyPoll = time.Second
)

// registration keeps the bookie's ephemeral node: under available while its store takes entries, under available/readonly
// while it does not.
type registration struct {
	b     *Bookie
	store meta.Store
	info  []byte
	// listens is that info has addresses: nobody else can have those.
	listens bool

	session  meta.Session
	readOnly bool // as registered
}

// register makes the bookie known to clients and keeps it so until Close.
func (b *Bookie) register(ctx context.Context, store meta.Store, info bkwire.ServiceInfo) error {
	if len(info.Endpoints) == 0 && len(info.Properties) == 0 {
		// An empty value would mean that the id is a host and port.
		info.Properties = map[string]string{"strobe": "in-process"}
	}
	r := &registration{b: b, store: store, info: info.Append(nil), listens: len(info.Endpoints) > 0}
	if err := r.enter(ctx); err != nil {
		return err
	}
	life, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { r.keep(life) })
	b.duty = append(b.duty, func() {
		stop()
		done.Wait()
		b.registered.Store(false)
		r.session.Close()
	})
	return nil
}

func (r *registration) path(readOnly bool) string {
	if readOnly {
		return bkwire.ReadOnlyPath + "/" + r.b.id
	}
	return bkwire.AvailablePath + "/" + r.b.id
}

// enter opens a session and registers in it. A registration that is there already goes with its session, or belongs to
// another process that runs with this bookie's volume or a copy of it.
func (r *registration) enter(ctx context.Context) error {
	session, err := r.store.Session(ctx)
	if err != nil {
		return fault.BookieRegistration.New("%w", err)
	}
	readOnly := r.b.store.ReadOnly() != nil
	waited := false
	for deadline := time.Now().Add(vanishTime); ; {
		_, err = session.PutEphemeral(ctx, r.path(readOnly), r.info)
		retry := errors.Is(err, meta.ErrConflict) || errors.Is(err, meta.ErrUnknown)
		if errors.Is(err, meta.ErrConflict) && r.replaceFormer(ctx, r.path(readOnly)) {
			continue
		}
		if !retry || time.Now().After(deadline) {
			break
		}
		if !waited && errors.Is(err, meta.ErrConflict) {
			waited = true
			r.b.log.Info("a former registration stands in the way; waiting for it to go", "path", r.path(readOnly), "for", vanishTime)
		}
		if pause(ctx, registerPause) != nil {
			break
		}
	}
	if err != nil {
		session.Close()
		if errors.Is(err, meta.ErrConflict) {
			return fault.BookieRegistered.New("%s, at %s", r.path(readOnly), r.where(ctx, r.path(readOnly)))
		}
		return fault.BookieRegistration.New("%w", err)
	}
	r.session, r.readOnly = session, readOnly
	r.b.registered.Store(true)
	return nil
}

// replaceFormer removes what stands in the way if it can only be the registration of this bookie's former life, and reports whether it is gone: it
// names the address that is ours now, where nobody else can listen. Waiting for the end of its session would keep the bookie out for
// as long, and longer while the metadata is busy.
func (r *registration) replaceFormer(ctx context.Context, path string) bool {
	if !r.listens {
		return false
	}
	v, err := r.store.Get(ctx, path)
	if err == nil && bytes.Equal(v.Data, r.info) {
		if err = r.store.Delete(ctx, path, v.Version); err == nil {
			r.b.log.Info("the registration of a former life is replaced", "path", path)
		}
		return err == nil
	}
	return errors.Is(err, meta.ErrNotFound)
}

// where is the address that a registration names.
func (r *registration) where(ctx context.Context, path string) string {
	v, err := r.store.Get(ctx, path)
	if err == nil {
		var info bkwire.ServiceInfo
		if info, err = bkwire.DecodeServiceInfo(v.Data); err == nil {
			if address, ok := info.RPCAddress(r.b.id); ok {
				return address
			}
			return "no address"
		}
	}
	return "an unknown address (" + err.Error() + ")"
}

// keep registers again when the session is lost, and moves the registration when the store turns read-only or back.
func (r *registration) keep(ctx context.Context) {
	poll := time.NewTimer(readOnlyPoll)
	if !r.readOnly {
		poll.Stop()
	}
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.session.Lost():
			r.b.registered.Store(false)
			r.b.log.Warn("session lost; registering again")
			told := ""
			for {
				err := r.enter(ctx)
				if err == nil {
					break
				}
				if f, ok := fault.Of(err); ok && f.Code != told && ctx.Err() == nil { // once, however long it lasts
					told = f.Code
					r.b.log.Error("bookie is not registered", "error", err)
				}
				if pause(ctx, registerPause) != nil {
					return
				}
			}
		case <-r.b.wasReadOnly:
		case <-poll.C:
		}
		if err := r.move(ctx); err != nil && ctx.Err() == nil {
			r.b.log.Warn("registration not changed", "error", err)
		}
		if r.readOnly || r.b.store.ReadOnly() != nil {
			poll.Reset(readOnlyPoll)
		}
	}
}

// move registers under the other name, if the store's state asks for it, and then leaves the first: a client that looks in
// between finds the bookie in both lists, never in none.
func (r *registration) move(ctx context.Context) error {
	reason := r.b.store.ReadOnly()
	if (reason != nil) == r.readOnly {
		return nil
	}
	if _, err := r.session.PutEphemeral(ctx, r.path(!r.readOnly), r.info); err != nil && !errors.Is(err, meta.ErrConflict) {
		return err
	}
	if err := r.store.Delete(ctx, r.path(r.readOnly), meta.Any); err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	r.readOnly = !r.readOnly
	if r.readOnly {
		r.b.log.Error("bookie takes no more entries", "error", reason)
	} else {
		r.b.log.Info("bookie takes entries again")
	}
	return nil
}

// pause waits, at most as long as ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
