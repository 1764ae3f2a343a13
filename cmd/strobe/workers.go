package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// workerLeader is the key of the broker that runs the function worker; its value is the URL of that broker's REST.
const workerLeader = "/strobe/worker/leader"

// leadPause is how long a broker waits before it tries again to run the worker.
const leadPause = time.Second

// workers runs the function worker of a node: always, or while no other broker does.
type workers struct {
	n       *node
	stop    context.CancelFunc
	leading sync.WaitGroup

	mu      sync.Mutex
	current *workerRole // nil: another broker has it, or nobody
}

// newWorkers makes the worker at once where no other broker can be.
func newWorkers(n *node) (*workers, error) {
	w := &workers{n: n}
	if n.local == nil {
		return w, nil
	}
	var err error
	w.current, err = n.newWorker()
	return w, err
}

// start begins to reconcile, or to try for it; the broker does not wait for it and never depends on it.
func (w *workers) start() {
	if w.current != nil {
		w.current.start()
		return
	}
	var life context.Context
	life, w.stop = context.WithCancel(context.Background())
	w.leading.Go(func() {
		for life.Err() == nil {
			if err := w.lead(life); err != nil && life.Err() == nil {
				w.n.o.log.Warn("functions and sources wait for another attempt", "error", err)
			}
			pause(life, leadPause)
		}
	})
}

// lead runs the worker until the session that says so is lost; nil at once when another broker runs it.
func (w *workers) lead(ctx context.Context) error {
	session, err := w.n.meta.Session(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	if _, err := session.PutEphemeral(ctx, workerLeader, []byte(w.n.httpURL)); err != nil {
		if errors.Is(err, meta.ErrConflict) {
			return w.wait(ctx)
		}
		return err
	}
	role, err := w.n.newWorker()
	if err != nil {
		return err
	}
	w.set(role)
	w.n.o.log.Info("this broker runs functions and sources")
	role.start()
	select {
	case <-session.Lost():
		w.n.o.log.Warn("the session was lost: functions and sources stop here, another broker takes them")
	case <-ctx.Done():
	}
	w.set(nil)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return role.close(end)
}

// wait returns when the leader's key changes.
func (w *workers) wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := w.n.meta.Watch(ctx, workerLeader, func(meta.Event) { cancel() }); err != nil {
		return err
	}
	if _, err := w.n.meta.Get(ctx, workerLeader); errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	<-ctx.Done()
	return nil
}

func (w *workers) set(role *workerRole) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = role
}

func (w *workers) role() *workerRole {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// ServeHTTP answers for functions and sources, or sends the client to the broker that does, as Pulsar's workers do.
func (w *workers) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if role := w.role(); role != nil {
		role.worker.Handler().ServeHTTP(rw, r)
		return
	}
	v, err := w.n.meta.Get(r.Context(), workerLeader)
	if err == nil && string(v.Data) != w.n.httpURL {
		http.Redirect(rw, r, string(v.Data)+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		return
	}
	f := fault.ClusterNoWorker.New("")
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		f = fault.ClusterNoWorker.New("%w", err)
	}
	refuse(rw, http.StatusServiceUnavailable, f)
}

// close drains functions and sources while the broker still serves them.
func (w *workers) close(ctx context.Context) error {
	if w.stop != nil {
		w.stop()
		w.leading.Wait()
		return nil
	}
	if role := w.role(); role != nil {
		return role.close(ctx)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
