package worker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// Defaults are what a deployment gets that does not say.
type Defaults struct {
	MemoryBytes int64
	Deadline    time.Duration
	MaxAttempts int
}

// unsupported names the options that ask for something Strobe does not have. Nothing is ignored in silence.
func unsupported(c *functions.FunctionConfig) []string {
	var out []string
	add := func(asked bool, what string) {
		if asked {
			out = append(out, what)
		}
	}
	add(c.TopicsPattern != nil && *c.TopicsPattern != "", "topicsPattern")
	add(len(c.WindowConfig) > 0 && string(c.WindowConfig) != "null", "windowConfig")
	add(len(c.Secrets) > 0, "secrets (use userConfig for what is no secret)")
	add(c.ProcessingGuarantees == "MANUAL", "processingGuarantees MANUAL")
	add(c.SkipToLatest, "skipToLatest")
	add(c.AutoAck != nil && !*c.AutoAck, "autoAck false")
	for topic, in := range c.InputSpecs {
		add(in.RegexPattern || in.IsRegexPattern, "inputSpecs."+topic+".regexPattern")
	}
	return out
}

// applyFunction lays the configuration over spec; what the configuration does not say stays.
func applyFunction(c *functions.FunctionConfig, spec *functions.Spec, d Defaults) error {
	if list := unsupported(c); len(list) > 0 {
		return fault.WorkerBadConfig.New("not supported: %s", strings.Join(list, ", "))
	}
	inputs := slices.Clone(c.Inputs)
	for _, m := range [][]string{slices.Collect(maps.Keys(c.InputSpecs)), slices.Collect(maps.Keys(c.CustomSerdeInputs)), slices.Collect(maps.Keys(c.CustomSchemaInputs))} {
		slices.Sort(m)
		inputs = append(inputs, m...)
	}
	if len(inputs) > 0 {
		spec.Inputs = nil
		for _, in := range inputs {
			if t := FullTopic(in, spec.FQName); !slices.Contains(spec.Inputs, t) {
				spec.Inputs = append(spec.Inputs, t)
			}
		}
	}
	if c.Output != "" {
		spec.Output = FullTopic(c.Output, spec.FQName)
	}
	if c.LogTopic != "" {
		spec.LogTopic = FullTopic(c.LogTopic, spec.FQName)
	}
	if c.DeadLetterTopic != "" {
		spec.DeadLetter = FullTopic(c.DeadLetterTopic, spec.FQName)
	}
	if c.SubName != "" {
		spec.Subscription = c.SubName
	}
	if c.ProcessingGuarantees != "" {
		g, ok := functions.Guarantees[c.ProcessingGuarantees]
		if !ok {
			return fault.WorkerBadConfig.New("processingGuarantees %q", c.ProcessingGuarantees)
		}
		spec.Guarantee = g
	}
	spec.Ordered = spec.Ordered || c.RetainOrdering || c.RetainKeyOrdering || spec.Guarantee == "effectively-once"
	switch c.SubscriptionPosition {
	case "":
	case "Latest", "Earliest":
		spec.Position = strings.ToLower(c.SubscriptionPosition)
	default:
		return fault.WorkerBadConfig.New("subscriptionPosition %q; want Latest or Earliest", c.SubscriptionPosition)
	}
	if c.Parallelism != 0 {
		spec.Parallelism = c.Parallelism
	}
	if c.MaxMessageRetries != nil && *c.MaxMessageRetries >= 0 {
		spec.MaxAttempts = *c.MaxMessageRetries + 1
	}
	if c.UserConfig != nil {
		spec.UserConfig = map[string]string{}
		for k, v := range c.UserConfig {
			if s, ok := v.(string); ok {
				spec.UserConfig[k] = s
				continue
			}
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			spec.UserConfig[k] = string(text)
		}
	}
	if c.TimeoutMs != nil && *c.TimeoutMs > 0 {
		spec.Deadline = time.Duration(*c.TimeoutMs) * time.Millisecond
	}
	if err := applyRuntime(c, spec); err != nil {
		return err
	}
	fill(spec, d)
	return validateFunction(spec)
}

func applyRuntime(c *functions.FunctionConfig, spec *functions.Spec) error {
	if c.Resources != nil && c.Resources.RAM > 0 {
		spec.MemoryBytes = c.Resources.RAM
	}
	if c.CustomRuntimeOptions == "" {
		return nil
	}
	var o functions.RuntimeOptions
	dec := json.NewDecoder(strings.NewReader(c.CustomRuntimeOptions))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return fault.WorkerBadConfig.New("customRuntimeOptions: %w", err)
	}
	if o.MemoryBytes > 0 {
		spec.MemoryBytes = o.MemoryBytes
	}
	if o.DeadlineMs > 0 {
		spec.Deadline = time.Duration(o.DeadlineMs) * time.Millisecond
	}
	if o.MaxAttempts > 0 {
		spec.MaxAttempts = o.MaxAttempts
	}
	return nil
}

// fill sets what neither the request nor the present state says.
func fill(spec *functions.Spec, d Defaults) {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	set(&spec.Guarantee, "at-least-once")
	set(&spec.Position, "latest")
	if spec.Kind == functions.KindFunction {
		set(&spec.Subscription, spec.FQName.String())
	}
	set(&spec.DeadLetter, FullTopic(spec.Name+"-DLQ", spec.FQName))
	if spec.Parallelism == 0 {
		spec.Parallelism = 1
	}
	if spec.MaxAttempts == 0 {
		spec.MaxAttempts = d.MaxAttempts
	}
	if spec.MemoryBytes == 0 {
		spec.MemoryBytes = d.MemoryBytes
	}
	if spec.Deadline == 0 {
		spec.Deadline = d.Deadline
	}
}

func validateFunction(spec *functions.Spec) error {
	switch {
	case len(spec.Inputs) == 0:
		return fault.WorkerBadConfig.New("no inputs")
	case spec.Parallelism < 1 || spec.Parallelism > 1000:
		return fault.WorkerBadConfig.New("parallelism %d; want 1 to 1000", spec.Parallelism)
	case spec.MaxAttempts < 1 || spec.MaxAttempts > 1000:
		return fault.WorkerBadConfig.New("%d attempts; want 1 to 1000", spec.MaxAttempts)
	case spec.Guarantee == "effectively-once" && spec.Parallelism > 1:
		return fault.WorkerBadConfig.New("parallelism %d with effectively-once: what tells the lives of an input apart is kept for one instance", spec.Parallelism).
			WithFix("Use parallelism 1, or at-least-once.")
	case slices.Contains(spec.Inputs, spec.Output):
		return fault.WorkerLoop.New("%s", spec.Output)
	case slices.Contains(spec.Inputs, spec.DeadLetter):
		return fault.WorkerLoop.New("the dead-letter topic %s", spec.DeadLetter)
	case slices.Contains(spec.Inputs, spec.LogTopic):
		return fault.WorkerLoop.New("the log topic %s", spec.LogTopic)
	}
	return nil
}

// describe turns a spec back into Pulsar's form.
func describe(spec functions.Spec) (functions.FunctionConfig, error) {
	c := functions.FunctionConfig{Tenant: spec.Tenant, Namespace: spec.Namespace, Name: spec.Name, ClassName: "wasm", Runtime: "WASM",
		Inputs: spec.Inputs, InputSpecs: map[string]functions.ConsumerConfig{}, Output: spec.Output, LogTopic: spec.LogTopic, RetainOrdering: spec.Ordered,
		DeadLetterTopic: spec.DeadLetter, SubName: spec.Subscription, Parallelism: spec.Parallelism, UserConfig: map[string]any{}}
	for name, g := range functions.Guarantees {
		if g == spec.Guarantee {
			c.ProcessingGuarantees = name
		}
	}
	for _, in := range spec.Inputs {
		c.InputSpecs[in] = functions.ConsumerConfig{}
	}
	for k, v := range spec.UserConfig {
		c.UserConfig[k] = v
	}
	if spec.Position == "earliest" {
		c.SubscriptionPosition = "Earliest"
	} else {
		c.SubscriptionPosition = "Latest"
	}
	yes, retries, timeout := true, spec.MaxAttempts-1, spec.Deadline.Milliseconds()
	c.AutoAck, c.CleanupSubscription, c.MaxMessageRetries, c.TimeoutMs = &yes, &yes, &retries, &timeout
	c.Resources = &functions.Resources{CPU: 1, RAM: spec.MemoryBytes}
	o := functions.RuntimeOptions{MemoryBytes: spec.MemoryBytes, DeadlineMs: timeout, MaxAttempts: spec.MaxAttempts}
	if spec.Artifact != nil {
		o.SHA256 = spec.Artifact.SHA256
	}
	text, err := json.Marshal(o)
	c.CustomRuntimeOptions = string(text)
	return c, err
}

// FullTopic turns a topic as people write it into its full name, within the deployment's tenant and namespace.
func FullTopic(name string, n functions.FQName) string {
	switch {
	case strings.Contains(name, "://"):
		return name
	case strings.Count(name, "/") == 2:
		return "persistent://" + name
	}
	return fmt.Sprintf("persistent://%s/%s/%s", n.Tenant, n.Namespace, name)
}
