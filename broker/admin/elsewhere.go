package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/strobemq/strobe/broker/placement"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
)

// peerTime is how long another broker may take to answer.
const peerTime = 30 * time.Second

// maxAnswer is the largest answer of another broker.
const maxAnswer = 16 << 20

// elsewhere says that another broker serves what a request is about. A request about that alone is sent there with a redirect, as
// Pulsar does; one about several topics is forwarded for those that are elsewhere.
type elsewhere struct {
	what string // topic, or bundle
	http string // where the broker's REST is
	err  error
}

func (e *elsewhere) Error() string { return e.err.Error() }
func (e *elsewhere) Unwrap() error { return e.err }

func elsewhereAt(what string, o placement.Owner) error {
	err := fault.BundleElsewhere.New("%s: %s", what, o.BrokerURL)
	if o.HTTPURL == "" {
		return err
	}
	return &elsewhere{what, strings.TrimRight(o.HTTPURL, "/"), err}
}

func servedElsewhere(err error) (*elsewhere, bool) {
	var e *elsewhere
	return e, errors.As(err, &e)
}

// own makes sure that this broker serves the topic; else it is elsewhere.
func (a *API) own(ctx context.Context, n topicname.Name) error {
	o, err := a.o.Placement.Lookup(ctx, n, "")
	if err == nil && !o.Local {
		err = elsewhereAt(n.String(), o)
	}
	return err
}

// redirect sends the client on when another broker serves all that the request is about.
func (q *request) redirect(err error) bool {
	e, ok := servedElsewhere(err)
	if !ok {
		return false
	}
	about := q.namespace() + "/" + q.PathValue("bundle")
	if q.PathValue("topic") != "" {
		n, err := q.topic()
		if err != nil {
			return false
		}
		about = n.String()
	}
	if e.what != about {
		return false
	}
	http.Redirect(q.w, q.Request, e.http+q.URL.RequestURI(), http.StatusTemporaryRedirect)
	return true
}

// forward sends the request on for one partition of its topic, and returns the answer's body.
func (a *API) forward(q *request, e *elsewhere) ([]byte, error) {
	parts := strings.Split(q.URL.EscapedPath(), "/") // "", admin, v2, domain, tenant, namespace, topic, …
	if len(parts) < 7 {
		return nil, e
	}
	n, err := topicname.Parse(e.what)
	if err != nil {
		return nil, e
	}
	parts[6] = url.PathEscape(n.Local)
	to := e.http + strings.Join(parts, "/")
	if q.URL.RawQuery != "" {
		to += "?" + q.URL.RawQuery
	}
	return a.send(q, q.Method, to, q.sent)
}

// ask sends a request about a topic to its broker, with body in JSON unless it is nil. more follows the topic in the path.
func (a *API) ask(q *request, method string, e *elsewhere, more string, body any) ([]byte, error) {
	n, err := topicname.Parse(e.what)
	if err != nil {
		return nil, e
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	return a.send(q, method, e.http+"/admin/v2/"+n.Domain()+"/"+n.FullNamespace()+"/"+url.PathEscape(n.Local)+more, text)
}

// send sends a request to another broker on behalf of q, with q's right.
func (a *API) send(q *request, method, to string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(q.Context(), method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if right := q.Header.Get("Authorization"); right != "" {
		r.Header.Set("Authorization", right)
	}
	resp, err := a.peers.Do(r)
	if err != nil { // it has gone, and its bundles will be another's in a moment
		return nil, &peerError{http.StatusServiceUnavailable, fault.BundleElsewhere.New("%s %s: %w", method, to, err)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, &peerError{http.StatusServiceUnavailable, fault.BundleElsewhere.New("%s %s: %w", method, to, err)}
	}
	if resp.StatusCode/100 == 2 {
		return text, nil
	}
	var said struct{ Reason, Code, Fix string }
	if json.Unmarshal(text, &said) != nil || said.Reason == "" {
		said.Reason = resp.Status
	}
	if f, ok := fault.Lookup(said.Code); ok {
		detail := strings.TrimPrefix(strings.TrimPrefix(said.Reason, f.Code+" "+f.Title), ": ")
		return nil, &peerError{resp.StatusCode, &fault.Error{Fault: f, Detail: detail, Fix: said.Fix}}
	}
	return nil, &peerError{resp.StatusCode, errors.New(said.Reason)}
}

// peerError is the refusal of another broker, which is passed on as it is.
type peerError struct {
	status int
	err    error
}

func (p *peerError) Error() string { return p.err.Error() }
func (p *peerError) Unwrap() error { return p.err }
