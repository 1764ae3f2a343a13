package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/manifest"
	"github.com/strobemq/strobe/runtime/functions"
)

func (a *app) sourcesCommand() *cobra.Command {
	c := group("sources", "source", "deploy", "Watch and steer source connectors",
		"A source brings data of another system into topics. Sources are made from files: strobe apply -f source.yaml.")
	a.inNamespace(c)
	a.deployVerbs(c, "sources")
	c.AddCommand(&cobra.Command{Use: "get NAME", Short: "Print a source as apply takes it", Args: args(1, "one source"),
		RunE: func(c *cobra.Command, p []string) error {
			m, err := a.meta(p[0])
			if err != nil {
				return err
			}
			r, err := a.currentSource(c.Context(), m)
			if err != nil {
				return err
			}
			return a.printResource(r)
		}})
	return c
}

// putSource uploads a source's configuration.
func (a *app) putSource(ctx context.Context, r manifest.Resource, create, check bool) error {
	c, err := sourceConfig(r)
	if err != nil {
		return err
	}
	p, err := jsonPart("sourceConfig", c)
	if err != nil {
		return err
	}
	method, query := "PUT", ""
	if create {
		method = "POST"
	}
	if !check {
		query = "?check=false"
	}
	return a.upload(ctx, method, deployPath("sources", r.Metadata, query), p)
}

// sourceConfig is the source in Pulsar's form.
func sourceConfig(r manifest.Resource) (functions.SourceConfig, error) {
	s, m := r.Source, r.Metadata
	o := functions.SourceOptions{MaxAttempts: int(s.MaxAttempts)}
	if s.DeadLetter != "" {
		o.DeadLetter = m.FullTopic(s.DeadLetter)
	}
	text, err := json.Marshal(o)
	return functions.SourceConfig{Tenant: m.Tenant, Namespace: m.Namespace, Name: m.Name, SourceType: s.Connector, Configs: s.Config,
		CustomRuntimeOptions: string(text)}, err
}

// currentSource reads a deployed source back into the form of files.
func (a *app) currentSource(ctx context.Context, m manifest.Metadata) (manifest.Resource, error) {
	r := manifest.Resource{Kind: manifest.KindSource, Metadata: m}
	var c functions.SourceConfig
	if err := a.call(ctx, "GET", deployPath("sources", m, ""), nil, &c); err != nil {
		return r, err
	}
	var o functions.SourceOptions
	if c.CustomRuntimeOptions != "" {
		if err := json.Unmarshal([]byte(c.CustomRuntimeOptions), &o); err != nil {
			return r, err
		}
	}
	r.Source = &manifest.Source{Connector: c.SourceType, Config: c.Configs, DeadLetter: o.DeadLetter, MaxAttempts: int64(o.MaxAttempts)}
	return r, nil
}
