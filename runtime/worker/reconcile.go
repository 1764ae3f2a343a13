package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta"
)

const (
	restartFirst = 500 * time.Millisecond // wait before the first restart of an instance that ended by itself
	restartMost  = 30 * time.Second
	restartCalm  = time.Minute // an instance that ran this long starts its waits anew
	drainTime    = 10 * time.Second
)

// place names an instance of a deployment.
type place struct {
	kind  functions.Kind
	name  functions.FQName
	index int
}

// reconciler makes what runs look like the desired state. All its decisions are made on one goroutine; starting, stopping and
// waiting happen beside it and come back as events.
type reconciler struct {
	store    store
	launcher functions.Launcher
	fetch    func(ctx context.Context, a functions.Artifact) (string, error)
	finish   func(ctx context.Context, o owner, tries int) error // removes a deployment that is being deleted and has no instances
	log      *slog.Logger

	wake   chan struct{} // one token: look again
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu         sync.Mutex
	instances  map[place]*instance
	endings    map[owner]*ending
	ended      chan struct{} // closed when a deletion has come to its end, and replaced
	unreadable map[owner]error
}

// ending is a deletion whose instances are gone.
type ending struct {
	busy  bool
	wait  backoff
	tries int
}

// instance is what is known of one place.
type instance struct {
	spec     functions.Spec // that was started
	handle   functions.Handle
	busy     bool // a start or stop is under way
	started  time.Time
	restarts int64
	wait     backoff           // before the next restart
	failed   *functions.Status // ended for good: a person has to change something
	lastErr  string
}

// backoff says when something that failed may be tried again.
type backoff struct {
	last     time.Duration
	notUntil time.Time
}

func (b *backoff) again(now time.Time) {
	b.last = min(max(2*b.last, restartFirst), restartMost)
	b.notUntil = now.Add(b.last)
}

func newReconciler(s store, l functions.Launcher, fetch func(context.Context, functions.Artifact) (string, error),
	finish func(context.Context, owner, int) error, log *slog.Logger) *reconciler {
	r := &reconciler{store: s, launcher: l, fetch: fetch, finish: finish, log: log, wake: make(chan struct{}, 1),
		instances: map[place]*instance{}, endings: map[owner]*ending{}, ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (r *reconciler) start() error {
	for _, kind := range []functions.Kind{functions.KindFunction, functions.KindSource} {
		if err := r.store.meta.Watch(r.ctx, root(kind), func(meta.Event) { r.look() }); err != nil {
			return err
		}
	}
	r.look()
	r.tasks.Go(r.run)
	return nil
}

// look asks for another round.
func (r *reconciler) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reconciler) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if next := r.round(); next > 0 {
			timer.Reset(next)
		}
		select {
		case <-r.wake:
		case <-timer.C:
		case <-r.ctx.Done():
			return
		}
	}
}

// round compares once, and says after which time to look again by itself (0: only when woken).
func (r *reconciler) round() time.Duration {
	all, err := r.store.all(r.ctx)
	if err != nil {
		if r.ctx.Err() == nil {
			r.log.Error("reading the desired state of functions failed, trying again", "error", err)
		}
		return restartFirst
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complainLocked(all.unreadable)
	want := map[place]functions.Spec{}
	for _, s := range all.specs {
		if s.Stopped || s.Deleting {
			continue
		}
		for i := range s.Parallelism {
			want[place{s.Kind, s.FQName, i}] = s
		}
	}
	now := time.Now()
	var next time.Duration
	due := func(b backoff) bool { // or it is looked at again when it is
		wait := b.notUntil.Sub(now)
		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
		return wait <= 0
	}
	for p, in := range r.instances {
		spec, wanted := want[p]
		switch {
		case in.busy || all.unreadable[owner{p.kind, p.name}] != nil:
		case in.handle != nil && (!wanted || changed(in.spec, spec)):
			r.stopLocked(p, in)
		case in.handle == nil && !wanted:
			delete(r.instances, p)
		}
	}
	for p, spec := range want {
		in := r.instances[p]
		if in == nil {
			in = &instance{}
			r.instances[p] = in
		}
		if in.busy || in.handle != nil {
			continue
		}
		if changed(in.spec, spec) { // a person changed something: what failed gets another chance at once
			in.failed, in.wait = nil, backoff{}
		}
		if in.failed != nil {
			continue
		}
		if due(in.wait) {
			r.startLocked(p, in, spec)
		}
	}
	r.finishLocked(all.specs, due)
	return next
}

// finishLocked goes on with the deletions whose instances are gone.
func (r *reconciler) finishLocked(specs []functions.Spec, due func(backoff) bool) {
	deleting := map[owner]bool{}
	for _, s := range specs {
		if s.Deleting {
			deleting[owner{s.Kind, s.FQName}] = true
		}
	}
	for p := range r.instances {
		delete(deleting, owner{p.kind, p.name})
	}
	for o := range deleting {
		e := r.endings[o]
		if e == nil {
			e = &ending{}
			r.endings[o] = e
		}
		if e.busy || !due(e.wait) {
			continue
		}
		e.busy = true
		r.tasks.Go(func() { r.end(o, e) })
	}
}

func (r *reconciler) end(o owner, e *ending) {
	err := r.finish(r.ctx, o, e.tries)
	r.mu.Lock()
	e.busy = false
	if err != nil {
		e.tries++
		e.wait.again(time.Now())
		if r.ctx.Err() == nil {
			r.log.Warn("deletion is not finished, trying again", "kind", o.kind, "name", o.name.String(), "wait", e.wait.last, "error", err)
		}
	} else {
		delete(r.endings, o)
		close(r.ended)
		r.ended = make(chan struct{})
	}
	r.mu.Unlock()
	r.look()
}

// nextEnd is closed when the next deletion has come to its end.
func (r *reconciler) nextEnd() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// complainLocked logs records that cannot be read, each once.
func (r *reconciler) complainLocked(unreadable map[owner]error) {
	for o, err := range unreadable {
		if r.unreadable[o] == nil {
			r.log.Error("its record cannot be read: nothing of it is started or stopped", "kind", o.kind, "name", o.name.String(), "error", err)
		}
	}
	r.unreadable = unreadable
}

// changed reports whether an instance of a must be replaced to become one of b.
func changed(a, b functions.Spec) bool {
	return a.Generation != b.Generation || a.RestartNonce != b.RestartNonce
}

func (r *reconciler) startLocked(p place, in *instance, spec functions.Spec) {
	in.busy, in.spec = true, spec
	r.tasks.Go(func() {
		h, err := r.launch(p, spec)
		r.mu.Lock()
		in.busy = false
		if f, ok := fault.Of(err); ok && f.Fault != fault.ProcessHost { // the module or the configuration is at fault: trying again changes nothing
			in.failed = &functions.Status{Generation: spec.Generation, State: functions.StateFailed, Error: err.Error(), Code: f.Code, Since: time.Now()}
			r.log.Error("instance cannot start until something is changed", "kind", p.kind, "name", p.name.String(), "instance", p.index, "error", err)
		} else if err != nil {
			in.lastErr = err.Error()
			in.wait.again(time.Now())
			if r.ctx.Err() == nil {
				r.log.Error("instance cannot start, trying again", "kind", p.kind, "name", p.name.String(), "instance", p.index, "wait", in.wait.last, "error", err)
			}
		} else {
			in.handle, in.started, in.lastErr = h, time.Now(), ""
		}
		r.mu.Unlock()
		r.look()
		if err == nil {
			r.tasks.Go(func() { r.watch(p, in, h) })
		}
	})
}

func (r *reconciler) launch(p place, spec functions.Spec) (functions.Handle, error) {
	inst := functions.Instance{Spec: spec, Index: p.index}
	if spec.Artifact != nil {
		path, err := r.fetch(r.ctx, *spec.Artifact)
		if err != nil {
			return nil, err
		}
		inst.Wasm = path
	}
	return r.launcher.Start(r.ctx, inst) // without a limit: a start that is given up and tried again could make two of one
}

// watch waits for the end of an instance.
func (r *reconciler) watch(p place, in *instance, h functions.Handle) {
	select {
	case <-h.Done():
	case <-r.ctx.Done():
		return
	}
	last, told := h.Status()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.look()
	if in.handle != h {
		return
	}
	in.handle = nil
	if in.busy { // being stopped: stopLocked knows
		return
	}
	if told && last.State == functions.StateFailed {
		in.failed = &last
		r.log.Error("instance has stopped until something is changed", "kind", p.kind, "name", p.name.String(), "instance", p.index, "error", last.Error)
		return
	}
	if time.Since(in.started) > restartCalm {
		in.wait = backoff{}
	}
	in.lastErr = last.Error
	if !told {
		in.lastErr = "the host process ended"
	}
	in.restarts++
	in.wait.again(time.Now())
	r.log.Warn("instance ended, starting it again", "kind", p.kind, "name", p.name.String(), "instance", p.index, "wait", in.wait.last, "error", in.lastErr)
}

func (r *reconciler) stopLocked(p place, in *instance) {
	in.busy = true
	h := in.handle
	r.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			r.log.Warn("instance did not stop in time", "kind", p.kind, "name", p.name.String(), "instance", p.index, "error", err)
		}
		r.mu.Lock()
		select {
		case <-h.Done():
			in.handle, in.busy, in.restarts, in.wait = nil, false, 0, backoff{}
		default:
			in.busy = false // it is tried again in the next round
		}
		r.mu.Unlock()
		r.look()
	})
}

// statuses is the state of every instance of a deployment, those that do not run included.
func (r *reconciler) statuses(spec functions.Spec) []functions.Status {
	out := make([]functions.Status, spec.Parallelism)
	for i := range out {
		out[i] = r.status(place{spec.Kind, spec.FQName, i}, spec)
	}
	return out
}

func (r *reconciler) status(p place, spec functions.Spec) functions.Status {
	r.mu.Lock()
	in := r.instances[p]
	var h functions.Handle
	s := functions.Status{Instance: p.index, Generation: spec.Generation, State: functions.StateStopped}
	switch {
	case spec.Deleting:
		s.State = functions.StateDeleting
	case !spec.Stopped:
		s.State = functions.StateStarting
	}
	var restarts int64
	if in != nil {
		restarts = in.restarts
		switch {
		case in.handle != nil:
			h = in.handle
		case spec.Deleting:
		case in.failed != nil:
			s = *in.failed
		case in.lastErr != "" && !spec.Stopped:
			s.State, s.Error, s.Generation = functions.StateBackoff, in.lastErr, in.spec.Generation
		}
	}
	r.mu.Unlock()
	if h != nil {
		s, _ = h.Status()
	}
	s.Instance, s.Restarts = p.index, restarts
	return s
}

// close stops all instances in order and joins everything.
func (r *reconciler) close(ctx context.Context) {
	r.cancel()
	r.tasks.Wait() // nobody starts anything any more; stops under way have ended
	var stops sync.WaitGroup
	r.mu.Lock()
	for _, in := range r.instances {
		if h := in.handle; h != nil {
			stops.Go(func() { _ = h.Stop(ctx) }) // what does not stop in time ends with the process
		}
	}
	r.mu.Unlock()
	stops.Wait()
}
