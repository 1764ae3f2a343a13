package worker

import (
	"context"
	"net/http"
	"os"
	"slices"

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
	if err := applyFunction(&c, &spec, w.o.Defaults); err != nil {
		return err
	}
	if _, err := w.store.get(q.Context(), q.kind, q.name); err == nil {
		return fault.WorkerExists.New("function %s", q.name)
	}
	if spec.Artifact, err = w.module(q.Context(), data, spec.MemoryBytes); err != nil {
		return err
	}
	if err := w.create(q.Context(), spec); err != nil {
		w.release(context.WithoutCancel(q.Context()), *spec.Artifact)
		return err
	}
	return q.noContent()
}

// module validates and stores an uploaded module.
func (w *Worker) module(ctx context.Context, data []byte, memory int64) (*functions.Artifact, error) {
	if err := w.o.Validate(ctx, data, memory); err != nil {
		return nil, err
	}
	a, err := w.o.Artifacts.Put(ctx, data)
	return &a, err
}

func (w *Worker) restUpdateFunction(q *request) error {
	var c functions.FunctionConfig
	data, err := w.parts(q, "functionConfig", &c)
	if err != nil {
		return err
	}
	cur, err := w.store.get(q.Context(), q.kind, q.name)
	if err != nil {
		return err
	}
	trial := cur.Spec
	if err := applyFunction(&c, &trial, w.o.Defaults); err != nil {
		return err
	}
	if !slices.Equal(trial.Inputs, cur.Inputs) && trial.Subscription == cur.Subscription && trial.Guarantee == "effectively-once" && len(trial.Inputs) == 0 {
		return fault.WorkerBadConfig.New("no inputs")
	}
	var artifact *functions.Artifact
	if len(data) > 0 {
		if artifact, err = w.module(q.Context(), data, trial.MemoryBytes); err != nil {
			return err
		}
	}
	var old *functions.Artifact
	_, err = w.store.change(q.Context(), q.kind, q.name, func(s *functions.Spec) error {
		old = s.Artifact
		if err := applyFunction(&c, s, w.o.Defaults); err != nil {
			return err
		}
		if artifact != nil && (s.Artifact == nil || s.Artifact.SHA256 != artifact.SHA256) {
			s.Artifact = artifact
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.rec.look()
	if artifact != nil && old != nil && old.SHA256 != artifact.SHA256 {
		w.release(q.Context(), *old)
	}
	return q.noContent()
}

func (w *Worker) restDownload(q *request) error {
	spec, err := w.store.get(q.Context(), q.kind, q.name)
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
