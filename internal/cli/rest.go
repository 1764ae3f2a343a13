package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
)

// maxAnswer is the largest answer that is read whole.
const maxAnswer = 64 << 20

// call sends a request with a JSON body (unless in is nil) and decodes the JSON answer into out (unless that is nil).
func (a *app) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	resp, err := a.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decodeAnswer(resp, out)
}

func decodeAnswer(resp *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fault.CLIServer.New("the answer is not the JSON expected: %w", err)
	}
	return nil
}

// send sends a request; an answer that is no success becomes an error.
func (a *app) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.server, "/")+path, body)
	if err != nil {
		return nil, fault.CLIUsage.New("--server %s: %w", a.server, err)
	}
	if body != nil {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fault.CLIUnreachable.New("%s: %w", a.server, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, serverError(resp)
}

// serverError turns an answer {"reason", "code", "fix"} into the fault it was.
func serverError(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxConfigText))
	var e struct{ Reason, Code, Fix string }
	if json.Unmarshal(text, &e) != nil || e.Reason == "" {
		e.Reason = strings.TrimSpace(string(text))
	}
	if f, ok := fault.Lookup(e.Code); ok {
		detail := strings.TrimPrefix(strings.TrimPrefix(e.Reason, f.Code+" "+f.Title), ": ")
		return &fault.Error{Fault: f, Detail: detail, Fix: e.Fix}
	}
	if e.Reason == "" {
		e.Reason = resp.Status
	}
	if resp.StatusCode == http.StatusNotFound {
		return fault.CLINotFound.New("%s", e.Reason)
	}
	return fault.CLIServer.New("%s (HTTP %d)", e.Reason, resp.StatusCode)
}

const maxConfigText = 1 << 20

// part is one part of a multipart request.
type part struct {
	name string
	kind string // content type
	data []byte
}

// upload sends a multipart request.
func (a *app) upload(ctx context.Context, method, path string, parts ...part) error {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name=%q`, p.name)
		if p.name == "data" {
			disposition += `; filename="module.wasm"`
		}
		h.Set("Content-Disposition", disposition)
		h.Set("Content-Type", p.kind)
		dst, err := w.CreatePart(h)
		if err != nil {
			return err
		}
		if _, err := dst.Write(p.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	resp, err := a.send(ctx, method, path, w.FormDataContentType(), &buf)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func jsonPart(name string, v any) (part, error) {
	text, err := json.Marshal(v)
	return part{name, "application/json", text}, err
}

// absent are the faults that say that a thing is not there.
var absent = []*fault.Fault{
	fault.CLINotFound, fault.WorkerNotFound, fault.WorkerNoParked, fault.TopicNotFound, fault.PartitionedNotFound, fault.SubscriptionNotFound,
	fault.NamespaceNotFound, fault.TenantNotFound, fault.BookieNotFound, fault.LedgerNotFound,
}

// missing reports whether err says that a thing is not there.
func missing(err error) bool {
	for _, f := range absent {
		if fault.Has(err, f) {
			return true
		}
	}
	return false
}
