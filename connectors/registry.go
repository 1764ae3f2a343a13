package connectors

import (
	"context"
	"log/slog"
)

// Checkpoints keeps a connector's position durable on its behalf. What Save was given last, and answered nil for, is what
// Load returns after any crash.
type Checkpoints interface {
	// Load returns the last saved value, nil when there is none.
	Load(ctx context.Context) ([]byte, error)
	// Save stores the value; it is durable when Save returns.
	Save(ctx context.Context, value []byte) error
}

// Env is what a connector is given by whoever runs it.
type Env struct {
	Tenant, Namespace, Name string // of the source or sink
	Log                     *slog.Logger
	Checkpoints             Checkpoints
	Metrics                 Metrics
	// Secret resolves a reference ("env:NAME", "file:/path") against the allow-list. Values are never logged or stored.
	Secret func(ref string) (string, error)
}

// Metrics takes a connector's own counters; names are snake_case without prefix.
type Metrics interface {
	Count(name string, delta int64)
	Gauge(name string, value float64)
}

// Option describes one configuration key of a connector, for strict validation and for `strobe connectors describe`.
type Option struct {
	Key      string // dotted path below spec.config
	Type     string // string, int, bool, duration, list, map, secret
	Default  string // as it would be written; empty with Required false: none
	Required bool
	Help     string // one sentence
}

// Problem is one thing that `strobe connectors check` found, with what to do about it.
type Problem struct {
	Code  string // STB-…
	Cause string
	Fix   string // one or more commands or SQL statements, ready to paste
	Path  string // the configuration key it is about, when there is one
}

// Type is one kind of connector: one line per connector in connectors/all.
type Type struct {
	Name      string // postgres
	Summary   string // one sentence
	Options   []Option
	Guarantee Guarantee // the best it can give
	// NewSource makes a source from a validated configuration (keys of Options only, decoded YAML values); nil if it cannot be a source.
	NewSource func(config map[string]any, env Env) (Source, error)
	NewSink   func(config map[string]any, env Env) (Sink, error)
	// Check connects and tries everything the connector will need, and returns all problems at once; an empty list is success.
	Check func(ctx context.Context, config map[string]any, env Env) ([]Problem, error)
	// Targets lists the topics or topic patterns the source writes to with this configuration, for `describe`; may be nil.
	Targets func(config map[string]any) []string
}
