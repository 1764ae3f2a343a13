package worker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sort"
	"strconv"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta"
)

// root is where the specs of a kind lie.
func root(kind functions.Kind) string { return "/strobe/" + string(kind) + "s" }

func specKey(kind functions.Kind, n functions.FQName) string { return root(kind) + "/" + n.String() }

func checkpointKey(kind functions.Kind, n functions.FQName, index int) string {
	return "/strobe/checkpoints/" + string(kind) + "/" + n.String() + "/" + strconv.Itoa(index)
}

// maxTries bounds compare-and-set against others, and against answers that are lost.
const maxTries = 10

// store is the desired state.
type store struct{ meta meta.Store }

// stored is a spec with its version, for compare-and-set.
type stored struct {
	functions.Spec
	version meta.Version
}

// get reads a deployment, one that is being deleted too.
func (s store) get(ctx context.Context, kind functions.Kind, n functions.FQName) (stored, error) {
	v, err := s.meta.Get(ctx, specKey(kind, n))
	if errors.Is(err, meta.ErrNotFound) {
		return stored{}, fault.WorkerNotFound.New("%s %s", kind, n)
	}
	if err != nil {
		return stored{}, err
	}
	spec, err := decodeSpec(owner{kind, n}, v.Data)
	return stored{spec, v.Version}, err
}

// live reads a deployment that is not being deleted: one that is, is no longer there for whoever reads or changes it.
func (s store) live(ctx context.Context, kind functions.Kind, n functions.FQName) (stored, error) {
	cur, err := s.get(ctx, kind, n)
	if err == nil && cur.Deleting {
		return stored{}, fault.WorkerNotFound.New("%s %s: it is being deleted", kind, n).
			WithFix("Nothing has to be done: the deletion goes on by itself. Creating it again waits for the end of it.")
	}
	return cur, err
}

// create stores a new spec as generation 1 of a new life. WorkerExists when there is one, WorkerDeleting while there still is one.
func (s store) create(ctx context.Context, spec functions.Spec) error {
	spec.Generation, spec.Life = 1, rand.Text()[:8]
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	key := specKey(spec.Kind, spec.FQName)
	for range maxTries {
		_, err = s.meta.Put(ctx, key, data, meta.Absent)
		unknown := errors.Is(err, meta.ErrUnknown)
		if err == nil || !unknown && !errors.Is(err, meta.ErrConflict) {
			return err
		}
		v, getErr := s.meta.Get(ctx, key)
		switch {
		case errors.Is(getErr, meta.ErrNotFound): // it went away meanwhile, or our answer was lost before anything was written
			continue
		case getErr != nil:
			return errors.Join(err, getErr)
		case unknown && bytes.Equal(v.Data, data): // it was written, and the answer lost
			return nil
		}
		if cur, err := decodeSpec(owner{spec.Kind, spec.FQName}, v.Data); err == nil && cur.Deleting {
			return fault.WorkerDeleting.New("%s %s", spec.Kind, spec.FQName)
		}
		return fault.WorkerExists.New("%s %s", spec.Kind, spec.FQName)
	}
	return err
}

// change reads a spec, lets edit change it, and stores it with the next generation. A change that crosses another one is tried again. What is
// being deleted is not there.
func (s store) change(ctx context.Context, kind functions.Kind, n functions.FQName, edit func(*functions.Spec) error) (functions.Spec, error) {
	return s.edit(ctx, kind, n, func(spec *functions.Spec) error {
		if spec.Deleting {
			_, err := s.live(ctx, kind, n)
			return err
		}
		return edit(spec)
	})
}

// mark begins a deletion, or finds one begun.
func (s store) mark(ctx context.Context, kind functions.Kind, n functions.FQName) error {
	_, err := s.edit(ctx, kind, n, func(spec *functions.Spec) error {
		spec.Deleting = true
		return nil
	})
	return err
}

func (s store) edit(ctx context.Context, kind functions.Kind, n functions.FQName, edit func(*functions.Spec) error) (functions.Spec, error) {
	for range maxTries {
		cur, err := s.get(ctx, kind, n)
		if err != nil {
			return functions.Spec{}, err
		}
		before, err := json.Marshal(cur.Spec)
		if err != nil {
			return functions.Spec{}, err
		}
		if err := edit(&cur.Spec); err != nil {
			return functions.Spec{}, err
		}
		after, err := json.Marshal(cur.Spec)
		if err != nil {
			return functions.Spec{}, err
		}
		if string(after) == string(before) {
			return cur.Spec, nil
		}
		cur.Generation++
		if after, err = json.Marshal(cur.Spec); err != nil {
			return functions.Spec{}, err
		}
		_, err = s.meta.Put(ctx, specKey(kind, n), after, cur.version)
		if err == nil {
			return cur.Spec, nil
		}
		// A lost answer is no answer: what is there is read again, and a change found made already changes nothing more.
		if !errors.Is(err, meta.ErrConflict) && !errors.Is(err, meta.ErrUnknown) {
			return functions.Spec{}, err
		}
	}
	return functions.Spec{}, fault.WorkerBusy.New("%s %s", kind, n)
}

// remove takes the record of a deployment away, if it is still the one that was read.
func (s store) remove(ctx context.Context, cur stored) error {
	err := s.meta.Delete(ctx, specKey(cur.Kind, cur.FQName), cur.version)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	return err
}

// forget removes the checkpoints of a deployment that is being deleted and stopped.
func (s store) forget(ctx context.Context, kind functions.Kind, n functions.FQName) error {
	base := "/strobe/checkpoints/" + string(kind) + "/" + n.String()
	indexes, err := s.meta.List(ctx, base)
	if err != nil {
		return err
	}
	for _, i := range indexes {
		if err := s.meta.Delete(ctx, base+"/"+i, meta.Any); err != nil && !errors.Is(err, meta.ErrNotFound) {
			return err
		}
	}
	return nil
}

// names lists the deployments of a kind in a namespace, sorted, those that are being deleted included.
func (s store) names(ctx context.Context, kind functions.Kind, tenant, namespace string) ([]string, error) {
	names, err := s.meta.List(ctx, root(kind)+"/"+tenant+"/"+namespace)
	sort.Strings(names)
	return names, err
}

// desired is all that is deployed.
type desired struct {
	specs      []functions.Spec
	unreadable map[owner]error // one damaged record must not stop the others
}

// all reads every spec of every kind.
func (s store) all(ctx context.Context) (desired, error) {
	out := desired{unreadable: map[owner]error{}}
	for _, kind := range []functions.Kind{functions.KindFunction, functions.KindSource} {
		err := s.walk(ctx, kind, func(n functions.FQName) error {
			cur, err := s.get(ctx, kind, n)
			switch {
			case err == nil:
				out.specs = append(out.specs, cur.Spec)
			case fault.Has(err, fault.WorkerRecord), fault.Has(err, fault.WorkerFormat):
				out.unreadable[owner{kind, n}] = err
			case !fault.Has(err, fault.WorkerNotFound): // that one went while we read
				return err
			}
			return nil
		})
		if err != nil {
			return desired{}, err
		}
	}
	return out, nil
}

func (s store) walk(ctx context.Context, kind functions.Kind, leaf func(n functions.FQName) error) error {
	tenants, err := s.meta.List(ctx, root(kind))
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		namespaces, err := s.meta.List(ctx, root(kind)+"/"+tenant)
		if err != nil {
			return err
		}
		for _, namespace := range namespaces {
			names, err := s.meta.List(ctx, root(kind)+"/"+tenant+"/"+namespace)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := leaf(functions.FQName{Tenant: tenant, Namespace: namespace, Name: name}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// LoadCheckpoint returns the saved position of an instance, nil when there is none.
func (w *Worker) LoadCheckpoint(ctx context.Context, kind functions.Kind, n functions.FQName, index int) ([]byte, error) {
	v, err := w.store.meta.Get(ctx, checkpointKey(kind, n, index))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	return v.Data, err
}

// SaveCheckpoint stores the position of an instance; it is durable at return. The present child is the only writer: its predecessor has
// ended before it was started.
func (w *Worker) SaveCheckpoint(ctx context.Context, kind functions.Kind, n functions.FQName, index int, value []byte) error {
	_, err := w.store.meta.Put(ctx, checkpointKey(kind, n, index), value, meta.Any)
	return err
}
