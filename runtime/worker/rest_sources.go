package worker

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// checkTime bounds a connector's check.
const checkTime = 30 * time.Second

func (w *Worker) restCreateSource(q *request) error {
	var c functions.SourceConfig
	if _, err := w.parts(q, "sourceConfig", &c); err != nil {
		return err
	}
	spec := functions.Spec{FQName: q.name, Kind: functions.KindSource}
	t, err := w.source(&c, &spec)
	if err != nil {
		return err
	}
	if err := w.free(q); err != nil {
		return err
	}
	if err := w.preflight(q, t, spec); err != nil {
		return err
	}
	if err := w.create(q.Context(), spec); err != nil {
		return err
	}
	return q.noContent()
}

func (w *Worker) restUpdateSource(q *request) error {
	var c functions.SourceConfig
	if _, err := w.parts(q, "sourceConfig", &c); err != nil {
		return err
	}
	cur, err := w.store.live(q.Context(), q.kind, q.name)
	if err != nil {
		return err
	}
	trial := cur.Spec
	t, err := w.source(&c, &trial)
	if err != nil {
		return err
	}
	if err := w.preflight(q, t, trial); err != nil {
		return err
	}
	if _, err := w.store.change(q.Context(), q.kind, q.name, func(s *functions.Spec) error {
		_, err := w.source(&c, s)
		return err
	}); err != nil {
		return err
	}
	w.rec.look()
	return q.noContent()
}

// source lays the configuration over spec and judges it without connecting anywhere.
func (w *Worker) source(c *functions.SourceConfig, spec *functions.Spec) (connectors.Type, error) {
	if err := w.applySource(c, spec); err != nil {
		return connectors.Type{}, err
	}
	t, err := w.connectorType(spec.Connector)
	if err != nil {
		return t, err
	}
	if t.NewSource == nil {
		return t, fault.WorkerBadConfig.New("connector %s is no source", t.Name)
	}
	if c.ProcessingGuarantees == "" {
		spec.Guarantee = string(t.Guarantee)
	}
	if _, err := t.NewSource(spec.Config, w.env(spec.FQName)); err != nil {
		if _, ok := fault.Of(err); ok {
			return t, err
		}
		return t, fault.WorkerBadConfig.New("source %s: %w", spec.FQName, err)
	}
	return t, w.checkTargets(t, spec)
}

// checkTargets refuses topics that a source would write to and that have no topic's name. In a pattern the * stands for what rows say, which the
// connector judges row by row.
func (w *Worker) checkTargets(t connectors.Type, spec *functions.Spec) error {
	if t.Targets == nil {
		return nil
	}
	for _, target := range t.Targets(spec.Config) {
		field := "configs"
		for _, o := range t.Options {
			if text, ok := spec.Config[o.Key].(string); ok && text == target {
				field += "." + o.Key
			}
		}
		if _, err := w.topic(field, target, spec.FQName); err != nil {
			return err
		}
	}
	return nil
}

// env is what a connector is given while it is only judged.
func (w *Worker) env(n functions.FQName) connectors.Env {
	return connectors.Env{Tenant: n.Tenant, Namespace: n.Namespace, Name: n.Name, Log: slog.New(slog.DiscardHandler),
		Checkpoints: checkpointOf{w, n}, Metrics: noMetrics{}, Secret: w.o.Secrets.Resolve}
}

// preflight refuses what would not run, unless the request says ?check=false.
func (w *Worker) preflight(q *request, t connectors.Type, spec functions.Spec) error {
	if t.Check == nil || q.URL.Query().Get("check") == "false" {
		return nil
	}
	problems, err := w.check(q.Context(), t, spec)
	if err != nil {
		return err
	}
	if len(problems) == 0 {
		return nil
	}
	var lines, fixes []string
	for _, p := range problems {
		lines = append(lines, p.Code+" "+p.Cause)
		fixes = append(fixes, p.Fix)
	}
	return fault.WorkerPreflight.New("%s", strings.Join(lines, "; ")).WithFix("%s", strings.Join(fixes, "\n"))
}

func (w *Worker) check(ctx context.Context, t connectors.Type, spec functions.Spec) ([]connectors.Problem, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	return t.Check(ctx, spec.Config, w.env(spec.FQName))
}

// restCheck tries a source's configuration and answers all problems: {"problems": [{code, cause, fix, path}]}.
func (w *Worker) restCheck(q *request) error {
	var c functions.SourceConfig
	if err := q.json(&c); err != nil {
		return err
	}
	q.name = functions.FQName{Tenant: c.Tenant, Namespace: c.Namespace, Name: c.Name}
	if err := checkName(q.name); err != nil {
		return err
	}
	if err := w.authorize(q); err != nil { // the name stands in the body: what the path was allowed says nothing of it
		writeError(q.rw, http.StatusForbidden, err)
		return nil
	}
	spec := functions.Spec{FQName: q.name, Kind: functions.KindSource}
	t, err := w.source(&c, &spec)
	if err != nil {
		return err
	}
	problems := []connectors.Problem{}
	if t.Check != nil {
		found, err := w.check(q.Context(), t, spec)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	type problem struct {
		Code  string `json:"code"`
		Cause string `json:"cause"`
		Fix   string `json:"fix"`
		Path  string `json:"path,omitempty"`
	}
	out := struct {
		Problems []problem `json:"problems"`
	}{[]problem{}}
	for _, p := range problems {
		out.Problems = append(out.Problems, problem(p))
	}
	return q.reply(out)
}

func (w *Worker) restConnectors(q *request) error {
	type definition struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		SourceClass string `json:"sourceClass,omitempty"`
		SinkClass   string `json:"sinkClass,omitempty"`
	}
	out := []definition{}
	for _, t := range w.o.Connectors {
		d := definition{Name: t.Name, Description: t.Summary}
		if t.NewSource != nil {
			d.SourceClass = t.Name
		}
		if t.NewSink != nil {
			d.SinkClass = t.Name
		}
		out = append(out, d)
	}
	return q.reply(out)
}

func (w *Worker) restConnectorOptions(q *request) error {
	t, err := w.connectorType(q.PathValue("connector"))
	if err != nil {
		return err
	}
	type option struct {
		FieldName  string            `json:"fieldName"`
		TypeName   string            `json:"typeName"`
		Attributes map[string]string `json:"attributes"`
	}
	out := []option{}
	for _, o := range t.Options {
		out = append(out, option{o.Key, o.Type, map[string]string{"help": o.Help, "defaultValue": o.Default, "required": fmt.Sprint(o.Required)}})
	}
	return q.reply(out)
}

// checkpointOf lets a check look at the position of the source that runs.
type checkpointOf struct {
	w *Worker
	n functions.FQName
}

func (c checkpointOf) Load(ctx context.Context) ([]byte, error) {
	return c.w.LoadCheckpoint(ctx, functions.KindSource, c.n, 0)
}

func (c checkpointOf) Save(context.Context, []byte) error {
	return fmt.Errorf("a check does not move positions")
}

type noMetrics struct{}

func (noMetrics) Count(string, int64)   {}
func (noMetrics) Gauge(string, float64) {}
