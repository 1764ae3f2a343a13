package admin

import (
	"github.com/strobemq/strobe/broker/schema"
	"github.com/strobemq/strobe/internal/fault"
)

// schemaAnswer is Pulsar's form of one version of a schema.
type schemaAnswer struct {
	Version    int64             `json:"version"`
	Type       string            `json:"type"`
	Timestamp  int64             `json:"timestamp"`
	Data       string            `json:"data"`
	Properties map[string]string `json:"properties"`
}

func schemaOf(s *schema.Schema) schemaAnswer {
	out := schemaAnswer{Version: int64(s.Version), Type: s.Type.String(), Timestamp: s.Timestamp, Data: string(s.Data), Properties: map[string]string{}}
	for _, p := range s.Properties {
		out.Properties[p.Key] = p.Value
	}
	return out
}

func (a *API) schemaReply(q *request, v schema.Version) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	s, err := a.o.Schemas.Get(q.Context(), n, v)
	if err != nil {
		return err
	}
	return q.reply(schemaOf(s))
}

func (a *API) schemaLatest(q *request) error { return a.schemaReply(q, schema.NoVersion) }

func (a *API) schemaVersion(q *request) error {
	v, err := q.number("version")
	if err != nil {
		return err
	}
	return a.schemaReply(q, schema.Version(v))
}

func (a *API) schemaAll(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	list, err := a.o.Schemas.List(q.Context(), n)
	if err != nil {
		return err
	}
	out := []schemaAnswer{}
	for _, s := range list {
		out = append(out, schemaOf(s))
	}
	return q.reply(map[string]any{"getSchemaResponses": out})
}

func (a *API) schemaPost(q *request) error {
	n, err := q.newTopic()
	if err != nil {
		return err
	}
	var in struct {
		Type       string            `json:"type"`
		Schema     string            `json:"schema"`
		Properties map[string]string `json:"properties"`
	}
	if _, err := q.body(&in); err != nil {
		return err
	}
	kind, ok := schema.ParseType(in.Type)
	if !ok {
		return fault.AdminBody.New("schema type %q", in.Type)
	}
	s := schema.Schema{Type: kind, Data: []byte(in.Schema)}
	for k, v := range in.Properties {
		s.Properties = append(s.Properties, schema.Property{Key: k, Value: v})
	}
	v, err := a.o.Schemas.Put(q.Context(), n, s, "")
	if err != nil {
		return err
	}
	return q.reply(map[string]any{"version": map[string]any{"version": int64(v)}})
}

func (a *API) schemaDelete(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	v, err := a.o.Schemas.Delete(q.Context(), n, "")
	if err != nil {
		return err
	}
	return q.reply(map[string]any{"version": map[string]any{"version": int64(v)}})
}
