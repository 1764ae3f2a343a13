package worker

import (
	"context"
	"log/slog"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/topicio"
	"github.com/strobemq/strobe/storage/meta"
)

// Artifacts keeps uploaded modules by content. Put and Delete of one content are never called at the same time.
type Artifacts interface {
	// Put stores the bytes durably; the same bytes give the same SHA256, and one copy. What a former Put or Delete of them left half done, it
	// makes whole.
	Put(ctx context.Context, data []byte) (functions.Artifact, error)
	// Fetch makes the bytes a file and returns its path.
	Fetch(ctx context.Context, a functions.Artifact) (string, error)
	// Delete frees what no deployment uses any more, and what was left half done of it. What is gone is no error.
	Delete(ctx context.Context, a functions.Artifact) error
	// List names all that is stored, half done uploads and deletions included.
	List(ctx context.Context) ([]functions.Artifact, error)
}

// Options of a Worker.
type Options struct {
	ID         string // what statuses say as workerId
	Meta       meta.Store
	Launcher   functions.Launcher
	Artifacts  Artifacts
	Connectors []connectors.Type
	Defaults   Defaults
	Secrets    Secrets
	MaxUpload  int64
	Log        *slog.Logger

	// LogFile is where the log of an instance lies; the one before it ends in .1.
	LogFile func(kind functions.Kind, n functions.FQName, index int) string
	// Client reaches the broker, for parked messages.
	Client *topicio.Client
	// Validate judges a module before it is stored; its errors are faults.
	Validate func(ctx context.Context, module []byte, memory int64) error
	// CheckTopic judges the full name of a topic that a deployment is to use; its errors are faults. nil takes all.
	CheckTopic func(full string) error
	// Unsubscribe removes the subscription of a deleted function; a topic or subscription that is gone is no error.
	Unsubscribe func(ctx context.Context, topic, subscription string) error
	// Lag is how far a subscription is behind on a topic, over all partitions: messages, and seconds since the broker took the oldest. nil: not known.
	Lag func(ctx context.Context, topic, subscription string) (messages int64, seconds float64, err error)
	// Authorize judges a request; nil allows all.
	Authorize Authorize
}

// Worker is the desired state, its reconciler and its REST.
type Worker struct {
	o       Options
	store   store
	modules *modules
	rec     *reconciler
}

// New makes a worker; Start begins to reconcile.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := store{o.Meta}
	w := &Worker{o: o, store: s, modules: newModules(o.Artifacts, s, o.Log)}
	w.rec = newReconciler(s, o.Launcher, o.Artifacts.Fetch, w.finish, o.Log)
	return w
}

// Start begins to make the world look like the desired state, deletions that a crash cut short included; it does not wait for it.
func (w *Worker) Start() error {
	if err := w.rec.start(); err != nil {
		return err
	}
	w.rec.tasks.Go(func() {
		if err := w.modules.sweep(w.rec.ctx); err != nil && w.rec.ctx.Err() == nil {
			w.o.Log.Warn("modules that nobody uses stay until the next start", "error", err)
		}
	})
	return nil
}

// connectorType finds a connector by name.
func (w *Worker) connectorType(name string) (connectors.Type, error) {
	var names []string
	for _, t := range w.o.Connectors {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return connectors.Type{}, fault.WorkerConnector.New("%s%s", name, fault.DidYouMean(name, names))
}

// create stores a new deployment; spec is complete.
func (w *Worker) create(ctx context.Context, spec functions.Spec) error {
	if err := w.store.create(ctx, spec); err != nil {
		return err
	}
	w.rec.look()
	return nil
}

// Close stops all instances in order until ctx is done, and joins everything. Idempotent.
func (w *Worker) Close(ctx context.Context) error {
	w.rec.close(ctx)
	return nil
}
