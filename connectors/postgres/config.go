package postgres

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// config is a validated configuration. Secrets in it are still references.
type config struct {
	server server
	shape  shape
	route  route

	slot              string
	createPublication bool
	createSlot        bool
	failover          bool
	heartbeat         time.Duration
	heartbeatQuery    string
	timeline          int32         // 0: none was confirmed
	acceptGapAfter    pglogrepl.LSN // 0: none is accepted
}

// server says where Postgres is and how to log in.
type server struct {
	hosts, database, user string
	port                  uint16
	password              string // reference, may be empty
	tlsMode               string
	rootCert, cert, key   string // references, may be empty
	applicationName       string
}

func (s server) String() string {
	return fmt.Sprintf("%s@%s:%d/%s", s.user, s.hosts, s.port, s.database)
}

// readConfig validates a configuration of the source env names and finds all that is wrong with it.
func readConfig(raw map[string]any, env connectors.Env) (config, []connectors.Finding) {
	v, findings := connectors.Decode(options, raw)
	r := reader{v: v, findings: findings}
	if mode := v.String("mode"); mode != "" && mode != "outbox" {
		r.fail("mode", fault.PostgresMode.New("mode: %q%s", mode, fault.DidYouMean(mode, []string{"outbox"})))
	}
	c := config{
		server:            r.server(raw, env),
		slot:              r.slot(env.Name),
		createPublication: v.Bool("createPublication"),
		createSlot:        v.Bool("createSlot"),
		failover:          v.Bool("failover"),
		heartbeat:         v.Duration("heartbeat.interval"),
		heartbeatQuery:    v.String("heartbeat.query"),
		timeline:          int32(v.Int("timeline")),
	}
	c.shape = r.shape(env.Name)
	var err error
	if c.route, err = parseRoute(c.shape.Topic, env.Tenant, env.Namespace); err != nil {
		r.fail("topic", fault.PostgresSetting.New("topic: %w", err))
	}
	if c.heartbeat < time.Second {
		r.fail("heartbeat.interval", fault.PostgresSetting.New("heartbeat.interval: %v is shorter than 1s", c.heartbeat))
	}
	if text := v.String("acceptGapAfter"); text != "" {
		if c.acceptGapAfter, err = parseLSN(text); err != nil {
			r.fail("acceptGapAfter", fault.PostgresSetting.New("acceptGapAfter: %q is not a position such as 16/B374D848", text))
		}
	}
	slices.SortStableFunc(r.findings, func(a, b connectors.Finding) int { return strings.Compare(a.Path, b.Path) })
	return c, r.findings
}

type reader struct {
	v        connectors.Values
	findings []connectors.Finding
}

func (r *reader) fail(path string, err *fault.Error) {
	for _, f := range r.findings {
		if f.Path == path {
			return // what Decode said about the key comes first
		}
	}
	r.findings = append(r.findings, connectors.Finding{Class: connectors.BadConfig, Path: path, Err: err})
}

var tlsModes = []string{"disable", "prefer", "require", "verify-ca", "verify-full"}

func (r *reader) server(raw map[string]any, env connectors.Env) server {
	v := r.v
	s := server{
		hosts: v.String("host"), database: v.String("database"), user: v.String("user"), password: v.String("password"),
		tlsMode: v.String("tls.mode"), rootCert: v.String("tls.rootCert"), cert: v.String("tls.cert"), key: v.String("tls.key"),
		applicationName: v.String("applicationName"),
	}
	if port := v.Int("port"); port < 1 || port > 65535 {
		r.fail("port", fault.PostgresSetting.New("port: %d is not a port", port))
	} else {
		s.port = uint16(port)
	}
	if dsn := v.String("dsn"); dsn != "" {
		r.dsn(dsn, raw, &s)
	} else {
		for key, value := range map[string]string{"database": s.database, "user": s.user} {
			if value == "" {
				r.fail(key, fault.ManifestMissing.New("%s, or dsn", key))
			}
		}
	}
	if !slices.Contains(tlsModes, s.tlsMode) {
		r.fail("tls.mode", fault.PostgresSetting.New("tls.mode: %q is none of %s%s", s.tlsMode, strings.Join(tlsModes, ", "), fault.DidYouMean(s.tlsMode, tlsModes)))
	}
	if (s.cert == "") != (s.key == "") {
		r.fail("tls.cert", fault.PostgresSetting.New("tls.cert and tls.key go together"))
	}
	if s.applicationName == "" {
		s.applicationName = "strobe " + env.Tenant + "/" + env.Namespace + "/" + env.Name
	}
	return s
}

// dsn reads the address form into s. Nothing else than a whole address may be in it: above all no password.
func (r *reader) dsn(dsn string, raw map[string]any, s *server) {
	for _, key := range []string{"host", "port", "database", "user"} {
		if _, given := raw[key]; given {
			r.fail(key, fault.PostgresSetting.New("%s and dsn exclude each other", key))
		}
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Hostname() == "" {
		r.fail("dsn", fault.PostgresSetting.New("dsn: not of the form postgres://user@host:port/database"))
		return
	}
	query := u.Query()
	if _, has := u.User.Password(); has || query.Has("password") {
		r.fail("dsn", fault.PostgresSecretInDSN.New("dsn: postgres://%s:…@%s", u.User.Username(), u.Host))
		return
	}
	s.hosts, s.user, s.database = u.Hostname(), u.User.Username(), strings.TrimPrefix(u.Path, "/")
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			r.fail("dsn", fault.PostgresSetting.New("dsn: %s is not a port", u.Port()))
		}
		s.port = uint16(port)
	}
	for key := range query {
		if key != "sslmode" {
			r.fail("dsn", fault.PostgresSetting.New("dsn: only sslmode may follow the question mark, not %s", key))
		}
	}
	if mode := query.Get("sslmode"); mode != "" {
		s.tlsMode = mode
	}
	if s.user == "" || s.database == "" {
		r.fail("dsn", fault.PostgresSetting.New("dsn: it names no user or no database"))
	}
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func (r *reader) slot(name string) string {
	slot := r.v.String("slot")
	if slot == "" {
		return defaultName(name)
	}
	if !slotName.MatchString(slot) {
		r.fail("slot", fault.PostgresSetting.New("slot: %q; Postgres takes lower-case letters, digits and _, at most 63", slot))
	}
	return slot
}

// defaultName makes a name that Postgres takes for a slot out of a source's name.
func defaultName(name string) string {
	b := []byte("strobe_" + strings.ToLower(name))
	for i, c := range b {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), 63)])
}

func (r *reader) shape(name string) shape {
	v := r.v
	s := shape{
		Publication: v.String("publication"), Topic: v.String("topic"),
		Columns: columns{ID: v.String("columns.id"), AggregateType: v.String("columns.aggregateType"), AggregateID: v.String("columns.aggregateId"),
			Payload: v.String("columns.payload"), Timestamp: v.String("columns.timestamp")},
	}
	if s.Publication == "" {
		s.Publication = defaultName(name)
	}
	var ok bool
	if s.Table.Schema, s.Table.Name, ok = strings.Cut(v.String("table"), "."); !ok {
		s.Table.Schema, s.Table.Name = "public", v.String("table")
	}
	for key, value := range map[string]string{"table": s.Table.Name, "columns.id": s.Columns.ID, "columns.aggregateType": s.Columns.AggregateType,
		"columns.aggregateId": s.Columns.AggregateID, "columns.payload": s.Columns.Payload, "publication": s.Publication} {
		if value == "" || len(value) > 63 || strings.ContainsRune(value, 0) {
			r.fail(key, fault.PostgresSetting.New("%s: %q is no name in Postgres", key, value))
		}
	}
	properties := map[string]bool{idProperty: true}
	for _, text := range v.List("headers") {
		h, problem := parseHeader(text)
		if problem == "" && properties[h.Property] {
			problem = "the property is there already"
		}
		if problem != "" {
			r.fail("headers", fault.PostgresSetting.New("headers: %q: %s", text, problem))
		}
		properties[h.Property] = true
		s.Headers = append(s.Headers, h)
	}
	return s
}

// parseHeader reads column, column:name, and Debezium's column:header:name.
func parseHeader(text string) (h header, problem string) {
	parts := strings.Split(text, ":")
	if len(parts) > 1 && parts[1] == "envelope" {
		return header{}, "an envelope is not offered: the payload stays as it was written; use a property"
	}
	if len(parts) > 1 && parts[1] == "header" {
		parts = append(parts[:1], parts[2:]...)
	}
	h = header{Column: parts[0], Property: parts[0]}
	if len(parts) == 2 {
		h.Property = parts[1]
	}
	if len(parts) > 2 || h.Column == "" || h.Property == "" {
		return header{}, "not of the form column or column:name"
	}
	return h, ""
}
