package worker

import (
	"context"
	"net/http"
	"os"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

func (w *Worker) restCreateFunction(q *request) error {
	var c functions.FunctionConfig
	data, err := w.parts(q, "functionConfig", &c)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return fault.WorkerNoModule.New("function %s", q.name)
	}
	spec := functions.Spec{FQName: q.name, Kind: functions.KindFunction}
	if err := w.applyFunction(&c, &spec); err != nil {
		return err
	}
	if err := w.free(q); err != nil {
		return err
	}
	return w.withModule(q, data, spec.MemoryBytes, func(a *functions.Artifact) error {
		spec.Artifact = a
		return w.create(q.Context(), spec)
	})
}

// free makes sure that the name of the request is free, and waits for a deletion that is under way.
func (w *Worker) free(q *request) error {
	if err := w.settle(q.Context(), owner{q.kind, q.name}); err != nil {
		return err
	}
	_, err := w.store.get(q.Context(), q.kind, q.name)
	switch {
	case err == nil:
		return fault.WorkerExists.New("%s %s", q.kind, q.name)
	case !fault.Has(err, fault.WorkerNotFound):
		return err
	}
	return nil
}

// withModule validates and stores an uploaded module, and has use store a spec that names it. When use refuses, the module goes again; when it
// is not known whether use stored anything, it stays, and the next start frees it if it is unused.
func (w *Worker) withModule(q *request, data []byte, memory int64, use func(*functions.Artifact) error) error {
	if err := w.o.Validate(q.Context(), data, memory); err != nil {
		return err
	}
	a, err := w.modules.hold(q.Context(), data)
	if err != nil {
		return err
	}
	err = use(&a)
	w.modules.letGo(a)
	if err == nil {
		return q.noContent()
	}
	if _, refused := fault.Of(err); refused {
		w.release(q.Context(), a)
	}
	return err
}

// release frees a module that may be unused now. If that fails it stays until the next start, which costs space and nothing else.
func (w *Worker) release(ctx context.Context, a functions.Artifact) {
	if err := w.modules.free(context.WithoutCancel(ctx), a); err != nil {
		w.o.Log.Warn("an unused module stays until the next start", "sha256", a.SHA256, "error", err)
	}
}

func (w *Worker) restUpdateFunction(q *request) error {
	var c functions.FunctionConfig
	data, err := w.parts(q, "functionConfig", &c)
	if err != nil {
		return err
	}
	cur, err := w.store.live(q.Context(), q.kind, q.name)
	if err != nil {
		return err
	}
	trial := cur.Spec
	if err := w.applyFunction(&c, &trial); err != nil {
		return err
	}
	change := func(a *functions.Artifact) error {
		var old *functions.Artifact
		_, err := w.store.change(q.Context(), q.kind, q.name, func(s *functions.Spec) error {
			old = s.Artifact
			if err := w.applyFunction(&c, s); err != nil {
				return err
			}
			if a != nil {
				s.Artifact = a
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.rec.look()
		if a != nil && old != nil && *old != *a {
			w.release(q.Context(), *old)
		}
		return nil
	}
	if len(data) > 0 {
		return w.withModule(q, data, trial.MemoryBytes, change)
	}
	if err := change(nil); err != nil {
		return err
	}
	return q.noContent()
}

func (w *Worker) restDownload(q *request) error {
	spec, err := w.store.live(q.Context(), q.kind, q.name)
	if err != nil {
		return err
	}
	path, err := w.o.Artifacts.Fetch(q.Context(), *spec.Artifact)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	q.rw.Header().Set("Content-Type", "application/octet-stream")
	q.rw.Header().Set("X-Strobe-SHA256", spec.Artifact.SHA256)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	http.ServeContent(q.rw, q.Request, "", info.ModTime(), f)
	return nil
}
