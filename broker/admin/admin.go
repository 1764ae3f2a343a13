// Package admin is Pulsar's admin REST, v2, as far as the broker has what a path is about: clusters, tenants, namespaces,
// topics, subscriptions, statistics, lookup. One file per resource; routes.go lists all paths.
//
// Errors are {"reason": text} with Pulsar's status codes, and Strobe's code and fix beside the reason.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/strobemq/strobe/broker/auth"
	"github.com/strobemq/strobe/broker/placement"
	"github.com/strobemq/strobe/broker/policy"
	"github.com/strobemq/strobe/broker/schema"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

const (
	// maxBody is the largest body of a request.
	maxBody = 1 << 20
	// maxName is the longest name of a subscription or role, in bytes: behind the longest topic it still fits a metadata key.
	maxName = 1900
)

// Options are what the endpoints speak for.
type Options struct {
	Topics    *topic.Topics
	Policies  *policy.Store
	Placement *placement.Placement
	Schemas   *schema.Registry
	Storage   Storage
	Cluster   string
	Version   string
	Log       *slog.Logger
	// Partitions answers as the broker does on the wire: with create, a topic that does not exist may be created as policies say.
	Partitions func(ctx context.Context, n topic.Name, create bool) (int, error)
	// Authorize judges a request for an action on a resource, the path; nil allows all.
	Authorize func(r *http.Request, action auth.Action, resource string) error
}

// API serves the endpoints.
type API struct {
	o     Options
	mux   *http.ServeMux
	peers http.Client // to other brokers
}

// New makes the API.
func New(o Options) *API {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{o: o, mux: http.NewServeMux(), peers: http.Client{Timeout: peerTime}}
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, q *http.Request) { a.serve(w, q, r) })
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		writeError(w, http.StatusNotFound, fault.AdminPath.New("%s %s", q.Method, q.URL.Path))
	})
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// request is one call.
type request struct {
	*http.Request
	w    http.ResponseWriter
	sent []byte // the body, once it was read
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, to route) {
	if a.o.Authorize != nil {
		if err := a.o.Authorize(r, to.action, strings.TrimPrefix(r.URL.Path, "/")); err != nil {
			writeError(w, http.StatusForbidden, err)
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	q := &request{Request: r, w: w}
	if err := to.handle(q); err != nil && !q.redirect(err) {
		writeError(w, status(err), err)
	}
}

// status is Pulsar's HTTP status of an error.
func status(err error) int {
	var p *peerError
	if errors.As(err, &p) {
		return p.status
	}
	var refused *topic.Refusal
	if errors.As(err, &refused) {
		switch refused.Code {
		case wire.TopicNotFound, wire.SubscriptionNotFound:
			return http.StatusNotFound
		case wire.ServiceNotReady:
			return http.StatusServiceUnavailable
		}
	}
	for code, list := range map[int][]*fault.Fault{
		http.StatusNotFound: {fault.TenantNotFound, fault.NamespaceNotFound, fault.ClusterNotFound, fault.PartitionedNotFound, fault.TopicNotFound,
			fault.SubscriptionNotFound, fault.LedgerNotFound, fault.BookieNotFound, fault.SchemaUnavailable, fault.TopicEntry, fault.BundleUnknown},
		http.StatusConflict: {fault.TenantExists, fault.NamespaceExists, fault.ClusterExists, fault.PartitionedExists, fault.TenantNotEmpty,
			fault.NamespaceNotEmpty, fault.PartitionsNumber},
		http.StatusPreconditionFailed: {fault.TopicInUse, fault.SubscriptionInUse, fault.BookieAlive, fault.BookieNamed, fault.TopicName, fault.NamespaceName, fault.PolicyValue, fault.BundlesValue},
		http.StatusMethodNotAllowed:   {fault.TopicNotPersistent},
		http.StatusServiceUnavailable: {fault.BundleUnloading, fault.BundleElsewhere, fault.PlacementLost, fault.TopicGoing},
		http.StatusBadRequest:         {fault.AdminBody, fault.AdminParameter, fault.AdminSystemSubscription},
	} {
		for _, f := range list {
			if fault.Has(err, f) {
				return code
			}
		}
	}
	return http.StatusInternalServerError
}

func writeError(w http.ResponseWriter, code int, err error) {
	body := map[string]string{"reason": err.Error()}
	if f, ok := fault.Of(err); ok {
		body["code"], body["fix"] = f.Code, f.FixText()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func (q *request) reply(v any) error {
	q.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.w).Encode(v)
}

// text answers bare text, as Pulsar does in a few places.
func (q *request) text(s string) error {
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(q.w, s)
	return err
}

func (q *request) noContent() error {
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// body decodes the JSON of the request into v. found is false for an empty body.
func (q *request) body(v any) (found bool, err error) {
	text, err := io.ReadAll(q.Body)
	if err != nil {
		return false, fault.AdminBody.New("%w", err)
	}
	q.sent = text
	if len(strings.TrimSpace(string(text))) == 0 {
		return false, nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, fault.AdminBody.New("%w", err)
	}
	return true, nil
}

func (q *request) flag(name string) bool { return q.URL.Query().Get(name) == "true" }

func (q *request) namespace() string { return q.PathValue("tenant") + "/" + q.PathValue("namespace") }

// newTopic is topic for requests that make one, or keep something for one that may not be there.
func (q *request) newTopic() (topicname.Name, error) {
	n, err := q.topic()
	if err != nil {
		return n, err
	}
	return n, n.CheckNew()
}

// newName is a part of the path that becomes a name: of a subscription, of a role.
func (q *request) newName(part string) (string, error) {
	name := q.PathValue(part)
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || len(name) > maxName {
		return "", fault.AdminParameter.New("%s %.100q; want at most %d bytes of UTF-8 without control characters", part, name, maxName)
	}
	return name, nil
}

// topic is the name in the path.
func (q *request) topic() (topicname.Name, error) {
	domain := "persistent"
	if strings.Contains(q.URL.Path, "/non-persistent/") {
		domain = "non-persistent"
	}
	return topicname.Parse(domain + "://" + q.namespace() + "/" + q.PathValue("topic"))
}
