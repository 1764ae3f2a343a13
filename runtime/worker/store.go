package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// store is the desired state.
type store struct{ meta meta.Store }

// stored is a spec with its version, for compare-and-set.
type stored struct {
	functions.Spec
	version meta.Version
}

func (s store) get(ctx context.Context, kind functions.Kind, n functions.FQName) (stored, error) {
	v, err := s.meta.Get(ctx, specKey(kind, n))
	if errors.Is(err, meta.ErrNotFound) {
		return stored{}, fault.WorkerNotFound.New("%s %s", kind, n)
	}
	if err != nil {
		return stored{}, err
	}
	out := stored{version: v.Version}
	if err := json.Unmarshal(v.Data, &out.Spec); err != nil {
		return stored{}, fmt.Errorf("%s %s: stored spec: %w", kind, n, err)
	}
	return out, nil
}

// create stores a new spec as generation 1.
func (s store) create(ctx context.Context, spec functions.Spec) error {
	spec.Generation = 1
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	_, err = s.meta.Put(ctx, specKey(spec.Kind, spec.FQName), data, meta.Absent)
	if errors.Is(err, meta.ErrConflict) {
		return fault.WorkerExists.New("%s %s", spec.Kind, spec.FQName)
	}
	return err
}

// change reads a spec, lets edit change it, and stores it with the next generation. A change that crosses another one is tried again.
func (s store) change(ctx context.Context, kind functions.Kind, n functions.FQName, edit func(*functions.Spec) error) (functions.Spec, error) {
	for range 10 {
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
		if !errors.Is(err, meta.ErrConflict) {
			return functions.Spec{}, err
		}
	}
	return functions.Spec{}, fault.WorkerBusy.New("%s %s", kind, n)
}

func (s store) delete(ctx context.Context, kind functions.Kind, n functions.FQName) error {
	err := s.meta.Delete(ctx, specKey(kind, n), meta.Any)
	if errors.Is(err, meta.ErrNotFound) {
		return fault.WorkerNotFound.New("%s %s", kind, n)
	}
	return err
}

// forget removes the checkpoints of a deployment that is deleted and stopped.
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

// names lists the deployments of a kind in a namespace, sorted.
func (s store) names(ctx context.Context, kind functions.Kind, tenant, namespace string) ([]string, error) {
	names, err := s.meta.List(ctx, root(kind)+"/"+tenant+"/"+namespace)
	sort.Strings(names)
	return names, err
}

// all reads every spec of every kind.
func (s store) all(ctx context.Context) ([]functions.Spec, error) {
	var out []functions.Spec
	for _, kind := range []functions.Kind{functions.KindFunction, functions.KindSource} {
		err := s.walk(ctx, root(kind), 3, func(key string) error {
			v, err := s.meta.Get(ctx, key)
			if errors.Is(err, meta.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			var spec functions.Spec
			if err := json.Unmarshal(v.Data, &spec); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			out = append(out, spec)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s store) walk(ctx context.Context, key string, depth int, leaf func(key string) error) error {
	if depth == 0 {
		return leaf(key)
	}
	children, err := s.meta.List(ctx, key)
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := s.walk(ctx, key+"/"+c, depth-1, leaf); err != nil {
			return err
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
