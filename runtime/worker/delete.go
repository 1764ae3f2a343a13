package worker

import (
	"context"
	"slices"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// The end of a deployment: the mark is stored; the reconciler stops its instances, and then calls finish, which removes what belonged to it and
// the record last. Each step may be done again, so that after a crash at any of them the reconciler finds the mark and begins with the first.

const (
	// settleTime is how long a request waits for the end of a deletion: longer than instances may drain.
	settleTime = 30 * time.Second
	// finishTries is how often a step that can be done without is tried before a deletion goes on without it. The waits between make it 15 seconds.
	finishTries = 5
)

// delete marks a deployment and waits until it is gone. A deletion that takes longer than anybody waits goes on by itself.
func (w *Worker) delete(ctx context.Context, kind functions.Kind, n functions.FQName) error {
	if err := w.store.mark(ctx, kind, n); err != nil {
		return err
	}
	w.rec.look()
	return w.settle(ctx, owner{kind, n})
}

// settle waits until a deletion of o that is under way has come to its end; WorkerDeleting when that takes too long.
func (w *Worker) settle(ctx context.Context, o owner) error {
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	for {
		ended := w.rec.nextEnd()
		cur, err := w.store.get(ctx, o.kind, o.name)
		if fault.Has(err, fault.WorkerNotFound) || err == nil && !cur.Deleting {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ended:
			continue
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-w.rec.ctx.Done():
		}
		return fault.WorkerDeleting.New("%s", o)
	}
}

// finish removes what belonged to a deployment that is being deleted and whose instances are gone, and its record last. tries counts the calls
// before this one that failed.
func (w *Worker) finish(ctx context.Context, o owner, tries int) error {
	cur, err := w.store.get(ctx, o.kind, o.name)
	if fault.Has(err, fault.WorkerNotFound) || err == nil && !cur.Deleting {
		return nil // a former call went through, and its answer was lost
	}
	if err != nil {
		return err
	}
	// A topic that cannot be loaded must not keep the name for ever.
	spare := func(what string, err error) error {
		if err == nil || ctx.Err() != nil || tries < finishTries {
			return err
		}
		w.o.Log.Warn("something of a deleted "+string(o.kind)+" stays", "name", o.name.String(), "what", what, "error", err)
		return nil
	}
	if o.kind == functions.KindFunction && w.o.Unsubscribe != nil {
		all, err := w.store.all(ctx)
		if err != nil {
			return err
		}
		for _, in := range cur.Inputs {
			if shared(all.specs, in, cur.Subscription) {
				continue
			}
			if err := spare("subscription "+cur.Subscription+" of "+in, w.o.Unsubscribe(ctx, in, cur.Subscription)); err != nil {
				return err
			}
		}
	}
	if err := w.store.forget(ctx, o.kind, o.name); err != nil {
		return err
	}
	if cur.Artifact != nil {
		if err := spare("module "+cur.Artifact.SHA256, w.modules.free(ctx, *cur.Artifact)); err != nil {
			return err
		}
	}
	return w.store.remove(ctx, cur)
}

// shared tells whether a function that stays reads a topic by that subscription.
func shared(specs []functions.Spec, topic, subscription string) bool {
	return slices.ContainsFunc(specs, func(s functions.Spec) bool {
		return !s.Deleting && s.Subscription == subscription && slices.Contains(s.Inputs, topic)
	})
}
