package worker

import (
	"encoding/json"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// connectorOf is the connector's name: sourceType, or an archive of the form builtin://name.
func connectorOf(c *functions.SourceConfig) string {
	if c.SourceType != "" {
		return c.SourceType
	}
	name, _ := strings.CutPrefix(c.Archive, "builtin://")
	return name
}

// applySource lays the configuration over spec; what the configuration does not say stays.
func (w *Worker) applySource(c *functions.SourceConfig, spec *functions.Spec) (err error) {
	switch {
	case len(c.BatchSourceConfig) > 0 && string(c.BatchSourceConfig) != "null":
		return fault.WorkerBadConfig.New("not supported: batchSourceConfig")
	case len(c.Secrets) > 0:
		return fault.WorkerBadConfig.New("not supported: secrets").WithFix("Write references (env:NAME, file:/path) into configs instead.")
	case c.Parallelism > 1:
		return fault.WorkerBadConfig.New("parallelism %d: a source has one instance", c.Parallelism)
	case c.TopicName != "":
		return fault.WorkerBadConfig.New("topicName: the connector's own configuration says which topics it writes to")
	}
	if name := connectorOf(c); name != "" {
		if spec.Connector != "" && spec.Connector != name {
			return fault.WorkerBadConfig.New("the connector of a source cannot change from %s to %s", spec.Connector, name)
		}
		spec.Connector = name
	}
	if spec.Connector == "" {
		return fault.WorkerBadConfig.New("no connector: sourceType is empty")
	}
	if c.Configs != nil {
		spec.Config = c.Configs
	}
	if c.LogTopic != "" {
		if spec.LogTopic, err = w.topic("logTopic", c.LogTopic, spec.FQName); err != nil {
			return err
		}
	}
	if c.ProcessingGuarantees != "" {
		g, ok := functions.Guarantees[c.ProcessingGuarantees]
		if !ok {
			return fault.WorkerBadConfig.New("processingGuarantees %q", c.ProcessingGuarantees)
		}
		spec.Guarantee = g
	}
	if c.CustomRuntimeOptions != "" {
		var o functions.SourceOptions
		dec := json.NewDecoder(strings.NewReader(c.CustomRuntimeOptions))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&o); err != nil {
			return fault.WorkerBadConfig.New("customRuntimeOptions: %w", err)
		}
		if o.DeadLetter != "" {
			if spec.DeadLetter, err = w.topic("customRuntimeOptions.deadLetter", o.DeadLetter, spec.FQName); err != nil {
				return err
			}
		}
		if o.MaxAttempts > 0 {
			spec.MaxAttempts = o.MaxAttempts
		}
	}
	fill(spec, w.o.Defaults)
	return checkAttempts(spec)
}

func describeSource(spec functions.Spec) (functions.SourceConfig, error) {
	c := functions.SourceConfig{Tenant: spec.Tenant, Namespace: spec.Namespace, Name: spec.Name, SourceType: spec.Connector, Archive: "builtin://" + spec.Connector,
		Configs: spec.Config, Parallelism: spec.Parallelism, LogTopic: spec.LogTopic}
	for name, g := range functions.Guarantees {
		if g == spec.Guarantee {
			c.ProcessingGuarantees = name
		}
	}
	text, err := json.Marshal(functions.SourceOptions{DeadLetter: spec.DeadLetter, MaxAttempts: spec.MaxAttempts})
	c.CustomRuntimeOptions = string(text)
	return c, err
}
