package worker

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// Authorize judges a request on a resource ("functions/tenant/namespace/name") for an action ("functions").
type Authorize func(r *http.Request, action, resource string) error

// maxConfig is the largest configuration document in a request.
const maxConfig = 1 << 20

// Handler serves /admin/v3/functions and /admin/v3/sources.
func (w *Worker) Handler() http.Handler {
	mux := http.NewServeMux()
	for kind, base := range map[functions.Kind]string{functions.KindFunction: "/admin/v3/functions", functions.KindSource: "/admin/v3/sources"} {
		one := base + "/{tenant}/{namespace}/{name}"
		handle := func(pattern string, h func(*request) error) {
			mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) { w.serve(rw, r, kind, h) })
		}
		handle("GET "+base+"/{tenant}/{namespace}", w.restList)
		handle("GET "+one, w.restGet)
		handle("DELETE "+one, w.restDelete)
		if kind == functions.KindFunction {
			handle("POST "+one, w.restCreateFunction)
			handle("PUT "+one, w.restUpdateFunction)
			handle("GET "+one+"/stats", w.restStats)
			handle("GET "+one+"/{instance}/stats", w.restStats)
			handle("GET "+one+"/download", w.restDownload)
		} else {
			handle("POST "+one, w.restCreateSource)
			handle("PUT "+one, w.restUpdateSource)
			handle("GET "+base+"/builtinsources", w.restConnectors)
			handle("GET "+base+"/builtinsources/{connector}/configdefinition", w.restConnectorOptions)
			handle("POST "+base+"/check", w.restCheck)
		}
		handle("GET "+one+"/status", w.restStatus)
		handle("GET "+one+"/{instance}/status", w.restStatus)
		for _, verb := range []string{"start", "stop", "restart"} {
			handle("POST "+one+"/"+verb, w.restLifecycle(verb))
			handle("POST "+one+"/{instance}/"+verb, w.restLifecycle(verb))
		}
		handle("GET "+one+"/logs", w.restLogs)
		handle("GET "+one+"/parked", w.restParkedList)
		handle("POST "+one+"/parked/redrive", w.restParkedRedrive)
		handle("GET "+one+"/parked/message", w.restParkedShow)
	}
	return mux
}

// request is one call with what its path says.
type request struct {
	*http.Request
	rw   http.ResponseWriter
	kind functions.Kind
	name functions.FQName
}

func (w *Worker) serve(rw http.ResponseWriter, r *http.Request, kind functions.Kind, h func(*request) error) {
	q := &request{Request: r, rw: rw, kind: kind,
		name: functions.FQName{Tenant: r.PathValue("tenant"), Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}}
	if err := w.authorize(q); err != nil {
		writeError(rw, http.StatusForbidden, err)
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, w.o.MaxUpload+2*maxConfig)
	err := checkNames(r)
	if err == nil {
		err = h(q)
	}
	if err != nil {
		writeError(rw, status(err), err)
	}
}

func (w *Worker) authorize(q *request) error {
	if w.o.Authorize == nil {
		return nil
	}
	return w.o.Authorize(q.Request, "functions", string(q.kind)+"s/"+q.name.String())
}

// checkNames refuses parts of a deployment's name that are none. Names become metadata keys, directories of logs, subscriptions and topics, and an
// escaped slash in a path arrives here as a slash.
func checkNames(r *http.Request) error {
	for _, part := range []string{"tenant", "namespace", "name"} {
		if v := r.PathValue(part); v != "" {
			if err := checkPart(part, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkName is checkNames for a name that stands in a body: all of it must be there.
func checkName(n functions.FQName) error {
	for _, p := range [][2]string{{"tenant", n.Tenant}, {"namespace", n.Namespace}, {"name", n.Name}} {
		if err := checkPart(p[0], p[1]); err != nil {
			return err
		}
	}
	return nil
}

func checkPart(part, v string) error {
	if !nameForm.MatchString(v) {
		return fault.WorkerBadConfig.New("%s %.100q; want at most 200 letters, digits and - _ = : . with a letter, digit or _ first", part, v)
	}
	return nil
}

var nameForm = regexp.MustCompile(`^[0-9A-Za-z_][-=:.\w]{0,199}$`)

// status is the HTTP status of an error.
func status(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || fault.Has(err, fault.WorkerTooLarge):
		return http.StatusRequestEntityTooLarge
	case fault.Has(err, fault.WorkerNotFound) || fault.Has(err, fault.WorkerNoParked):
		return http.StatusNotFound
	case fault.Has(err, fault.WorkerExists) || fault.Has(err, fault.WorkerBusy) || fault.Has(err, fault.WorkerDeleting):
		return http.StatusConflict
	case fault.Has(err, fault.WorkerRecord), fault.Has(err, fault.WorkerFormat):
		return http.StatusInternalServerError
	}
	if _, ok := fault.Of(err); ok {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// writeError answers as Pulsar's admin does, {"reason": …}, with code and fix beside it.
func writeError(rw http.ResponseWriter, code int, err error) {
	body := map[string]string{"reason": err.Error()}
	if f, ok := fault.Of(err); ok {
		body["code"], body["fix"] = f.Code, f.FixText()
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(body) // the client may be gone
}

func (q *request) reply(v any) error {
	q.rw.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.rw).Encode(v)
}

// json reads a body that is one JSON document.
func (q *request) json(v any) error {
	text, err := io.ReadAll(io.LimitReader(q.Body, maxConfig+1))
	switch {
	case err != nil:
		return tooLarge(err)
	case len(text) > maxConfig:
		return fault.WorkerTooLarge.New("a document of more than %d bytes", maxConfig)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fault.WorkerBadConfig.New("request: %w", err)
	}
	return nil
}

func (q *request) noContent() error {
	q.rw.WriteHeader(http.StatusNoContent)
	return nil
}

// instance is the index in the path, -1 when there is none.
func (q *request) instance() (int, error) {
	text := q.PathValue("instance")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fault.WorkerBadConfig.New("instance %q", text)
	}
	return n, nil
}

// parts reads a multipart request: the configuration into config, and the uploaded file.
func (w *Worker) parts(q *request, configPart string, config any) (data []byte, err error) {
	kind, params, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, fault.WorkerBadConfig.New("the request is not multipart/form-data")
	}
	r := multipart.NewReader(q.Body, params["boundary"])
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, tooLarge(err)
		}
		switch p.FormName() {
		case configPart:
			text, err := io.ReadAll(io.LimitReader(p, maxConfig+1))
			if err != nil {
				return nil, tooLarge(err)
			}
			if len(text) > maxConfig {
				return nil, fault.WorkerTooLarge.New("a configuration of more than %d bytes", maxConfig)
			}
			if err := json.Unmarshal(text, config); err != nil {
				return nil, fault.WorkerBadConfig.New("%s: %w", configPart, err)
			}
		case "data":
			if data, err = io.ReadAll(io.LimitReader(p, w.o.MaxUpload+1)); err != nil {
				return nil, tooLarge(err)
			}
			if int64(len(data)) > w.o.MaxUpload {
				return nil, fault.WorkerTooLarge.New("more than %d bytes", w.o.MaxUpload)
			}
		case "url":
			return nil, fault.WorkerBadConfig.New("packages by URL are not supported").WithFix("Upload the file itself.")
		}
	}
}

func tooLarge(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return fault.WorkerTooLarge.New("more than %d bytes", limit.Limit)
	}
	return fault.WorkerBadConfig.New("reading the request: %w", err) // cut off, or no multipart inside
}

func (w *Worker) restList(q *request) error {
	names, err := w.store.names(q.Context(), q.kind, q.name.Tenant, q.name.Namespace)
	if err != nil {
		return err
	}
	if names == nil {
		names = []string{}
	}
	return q.reply(names)
}

func (w *Worker) restGet(q *request) error {
	spec, err := w.store.live(q.Context(), q.kind, q.name)
	if err != nil {
		return err
	}
	var c any
	if q.kind == functions.KindFunction {
		c, err = describe(spec.Spec)
	} else {
		c, err = describeSource(spec.Spec)
	}
	if err != nil {
		return err
	}
	return q.reply(c)
}

func (w *Worker) restDelete(q *request) error {
	if err := w.delete(q.Context(), q.kind, q.name); err != nil {
		return err
	}
	return q.noContent()
}

// restLifecycle starts, stops or restarts all instances. Single instances cannot: the desired state is one for all.
func (w *Worker) restLifecycle(verb string) func(q *request) error {
	return func(q *request) error {
		if n, err := q.instance(); err != nil {
			return err
		} else if n >= 0 && verb != "restart" {
			return fault.WorkerBadConfig.New("%s of a single instance is not supported", verb).WithFix("%s the whole %s, or change its parallelism.", verb, q.kind)
		}
		_, err := w.store.change(q.Context(), q.kind, q.name, func(s *functions.Spec) error {
			switch verb {
			case "start":
				s.Stopped = false
			case "stop":
				s.Stopped = true
			case "restart":
				s.Stopped = false
				s.RestartNonce++
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.rec.look()
		return q.noContent()
	}
}
