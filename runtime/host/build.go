package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/instance"
	"github.com/strobemq/strobe/runtime/topicio"
	"github.com/strobemq/strobe/runtime/wasm"
)

// Builder makes instances of functions and sources run.
type Builder struct {
	types []connectors.Type

	mu     sync.Mutex
	engine *wasm.Engine // made when the settings are known
}

// NewBuilder makes a builder for the connectors this program holds.
func NewBuilder(types []connectors.Type) *Builder { return &Builder{types: types} }

// Build implements Build.
func (b *Builder) Build(ctx context.Context, in functions.Instance, env Environment) (Running, error) {
	file, err := openLog(env.Settings, in)
	if err != nil {
		return nil, err
	}
	o := instance.Options{Spec: in.Spec, Index: in.Index, Log: env.Log, Events: slog.New(slog.NewTextHandler(file, nil)), Meter: &instance.Meter{}}
	client := topicio.NewClient(env.Settings.Pulsar)
	if in.Spec.Kind == functions.KindFunction {
		err = b.function(ctx, in, env, client, &o)
	} else {
		err = b.source(in, env, &o)
	}
	if err != nil {
		client.Close()
		file.Close()
		return nil, err
	}
	o.Sink = topicio.NewSink(topicio.SinkOptions{
		Client:      client,
		Producer:    producerName(in.Spec),
		Deduplicate: func(ctx context.Context, topic string) error { return deduplicate(ctx, env.Settings.HTTP, topic) },
		Initial: func(topic string) string {
			if topic == in.Spec.DeadLetter {
				return functions.ParkedSubscription
			}
			return ""
		},
	})
	l, err := instance.Start(o)
	if err != nil {
		client.Close()
		file.Close()
		return nil, err
	}
	go func() { // ends with the instance
		<-l.Done()
		client.Close()
		file.Close()
	}()
	return l, nil
}

// producerName is by which topics know the outputs of a source, kind/tenant/namespace/name#life.
func producerName(s functions.Spec) string {
	name := string(s.Kind) + "/" + s.FQName.String()
	if s.Life != "" {
		name += "#" + s.Life
	}
	return name
}

func (b *Builder) engineOf(s Settings) *wasm.Engine {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.engine == nil {
		b.engine = wasm.NewEngine(wasm.EngineOptions{CacheDir: s.CacheDir})
	}
	return b.engine
}

// Judge implements Judge.
func (b *Builder) Judge(ctx context.Context, s Settings, path string, memory int64) error {
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = b.engineOf(s).Validate(ctx, module, memory)
	debug.FreeOSMemory() // compiling takes a hundred megabytes for a moment
	return err
}

func (b *Builder) function(ctx context.Context, in functions.Instance, env Environment, client *topicio.Client, o *instance.Options) error {
	s := in.Spec
	module, err := os.ReadFile(in.Wasm)
	if err != nil {
		return err
	}
	o.Processor, err = b.engineOf(env.Settings).New(ctx, module, wasm.Options{Namespace: s.Tenant + "/" + s.Namespace, Output: s.Output, Config: s.UserConfig,
		MemoryBytes: s.MemoryBytes, Deadline: s.Deadline, Logs: o.Events})
	if err != nil {
		return err
	}
	so := topicio.SourceOptions{Client: client, Topics: s.Inputs, Subscription: topicio.Subscription{
		Name: s.Subscription, Ordered: s.Ordered, Earliest: s.Position == "earliest", Consumer: fmt.Sprintf("%s-%d", s.FQName, in.Index)}}
	if s.Guarantee == string(connectors.EffectivelyOnce) {
		so.Incarnations = topicio.NewIncarnations(env.Shared)
	}
	o.Source = topicio.NewSource(so)
	return nil
}

func (b *Builder) source(in functions.Instance, env Environment, o *instance.Options) error {
	s := in.Spec
	for _, t := range b.types {
		if t.Name != s.Connector || t.NewSource == nil {
			continue
		}
		src, err := t.NewSource(s.Config, connectors.Env{Tenant: s.Tenant, Namespace: s.Namespace, Name: s.Name, Log: o.Events,
			Checkpoints: env.Checkpoints, Metrics: o.Meter, Secret: env.Secret})
		o.Source = src
		return err
	}
	return fault.WorkerConnector.New("%s", s.Connector)
}

// deduplicate turns a topic's deduplication on, over the admin REST.
func deduplicate(ctx context.Context, admin, topic string) error {
	domain, name, ok := strings.Cut(topic, "://")
	parts := strings.SplitN(name, "/", 3)
	if !ok || len(parts) != 3 {
		return connectors.As(connectors.BadData, fmt.Errorf("%q is no full topic name", topic))
	}
	u := fmt.Sprintf("%s/admin/v2/%s/%s/%s/%s/deduplicationEnabled", admin, domain, url.PathEscape(parts[0]), url.PathEscape(parts[1]), url.PathEscape(parts[2]))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewBufferString("true"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusPreconditionFailed:
		return connectors.As(connectors.BadData, fmt.Errorf("%s: %s", topic, text))
	}
	return fmt.Errorf("turning on deduplication of %s: HTTP %d: %s", topic, resp.StatusCode, text)
}
