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

// Artifacts keeps uploaded modules by content.
type Artifacts interface {
	// Put stores the bytes durably; the same bytes give the same SHA256.
	Put(ctx context.Context, data []byte) (functions.Artifact, error)
	// Fetch makes the bytes a file and returns its path.
	Fetch(ctx context.Context, a functions.Artifact) (string, error)
	// Delete frees what no deployment uses any more.
	Delete(ctx context.Context, a functions.Artifact) error
}

// Options of a Worker.
type Options struct {
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
	// Unsubscribe removes the subscription of a deleted function; a topic or subscription that is gone is no error.
	Unsubscribe func(ctx context.Context, topic, subscription string) error
	// Lag is how far a subscription is behind on a topic, over all partitions: messages, and seconds since the broker took the oldest. nil: not known.
	Lag func(ctx context.Context, topic, subscription string) (messages int64, seconds float64, err error)
	// Authorize judges a request; nil allows all.
	Authorize Authorize
}

// Worker is the desired state, its reconciler and its REST.
type Worker struct {
	o     Options
	store store
	rec   *reconciler
}

// New makes a worker; Start begins to reconcile.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := store{o.Meta}
	return &Worker{o: o, store: s, rec: newReconciler(s, o.Launcher, o.Artifacts.Fetch, o.Log)}
}

// Start begins to make the world look like the desired state; it does not wait for it.
func (w *Worker) Start() error { return w.rec.start() }

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

// Deployment is a spec with the state of its instances.
type Deployment struct {
	Spec      functions.Spec
	Instances []functions.Status
}

// Deployments lists everything that is deployed.
func (w *Worker) Deployments(ctx context.Context) ([]Deployment, error) {
	specs, err := w.store.all(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Deployment, len(specs))
	for i, s := range specs {
		out[i] = Deployment{Spec: s, Instances: w.rec.statuses(s)}
	}
	return out, nil
}

// create stores a new deployment; spec is complete.
func (w *Worker) create(ctx context.Context, spec functions.Spec) error {
	if err := w.store.create(ctx, spec); err != nil {
		return err
	}
	w.rec.look()
	return nil
}

// delete removes a deployment, waits until its instances are gone, and forgets what belonged to it.
func (w *Worker) delete(ctx context.Context, kind functions.Kind, n functions.FQName) error {
	spec, err := w.store.get(ctx, kind, n)
	if err != nil {
		return err
	}
	if err := w.store.delete(ctx, kind, n); err != nil {
		return err
	}
	w.rec.look()
	if err := w.rec.gone(ctx, kind, n); err != nil {
		return err
	}
	if err := w.store.forget(ctx, kind, n); err != nil {
		return err
	}
	if kind == functions.KindFunction && w.o.Unsubscribe != nil {
		for _, in := range spec.Inputs {
			if err := w.o.Unsubscribe(ctx, in, spec.Subscription); err != nil {
				w.o.Log.Warn("the subscription of a deleted function stays", "topic", in, "subscription", spec.Subscription, "error", err)
			}
		}
	}
	if spec.Artifact != nil {
		w.release(ctx, *spec.Artifact)
	}
	return nil
}

// release deletes an artefact that no deployment uses.
func (w *Worker) release(ctx context.Context, a functions.Artifact) {
	specs, err := w.store.all(ctx)
	if err != nil {
		return // it stays; that costs space, nothing else
	}
	for _, s := range specs {
		if s.Artifact != nil && s.Artifact.SHA256 == a.SHA256 {
			return
		}
	}
	if err := w.o.Artifacts.Delete(ctx, a); err != nil {
		w.o.Log.Warn("an unused module stays", "sha256", a.SHA256, "error", err)
	}
}

// Close stops all instances in order until ctx is done, and joins everything. Idempotent.
func (w *Worker) Close(ctx context.Context) error {
	w.rec.close(ctx)
	return nil
}
