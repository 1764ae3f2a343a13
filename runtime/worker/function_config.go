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

// functionConfig is Pulsar's FunctionConfig, as far as a WASM function has a use for it. Fields that are absent from a request are
// nil or empty and leave what is there; options that ask for what does not exist are refused by unsupported.
type functionConfig struct {
	Tenant               string                    `json:"tenant,omitempty"`
	Namespace            string                    `json:"namespace,omitempty"`
	Name                 string                    `json:"name,omitempty"`
	ClassName            string                    `json:"className,omitempty"`
	Inputs               []string                  `json:"inputs,omitempty"`
	InputSpecs           map[string]consumerConfig `json:"inputSpecs,omitempty"`
	CustomSerdeInputs    map[string]string         `json:"customSerdeInputs,omitempty"`
	CustomSchemaInputs   map[string]string         `json:"customSchemaInputs,omitempty"`
	TopicsPattern        *string                   `json:"topicsPattern,omitempty"`
	Output               string                    `json:"output,omitempty"`
	LogTopic             string                    `json:"logTopic,omitempty"`
	ProcessingGuarantees string                    `json:"processingGuarantees,omitempty"`
	RetainOrdering       bool                      `json:"retainOrdering"`
	RetainKeyOrdering    bool                      `json:"retainKeyOrdering"`
	UserConfig           map[string]any            `json:"userConfig,omitempty"`
	Secrets              map[string]any            `json:"secrets,omitempty"`
	Runtime              string                    `json:"runtime,omitempty"`
	AutoAck              *bool                     `json:"autoAck,omitempty"`
	MaxMessageRetries    *int                      `json:"maxMessageRetries,omitempty"`
	DeadLetterTopic      string                    `json:"deadLetterTopic,omitempty"`
	SubName              string                    `json:"subName,omitempty"`
	Parallelism          int                       `json:"parallelism,omitempty"`
	Resources            *resources                `json:"resources,omitempty"`
	WindowConfig         json.RawMessage           `json:"windowConfig,omitempty"`
	TimeoutMs            *int64                    `json:"timeoutMs,omitempty"`
	SubscriptionPosition string                    `json:"subscriptionPosition,omitempty"`
	SkipToLatest         bool                      `json:"skipToLatest,omitempty"`
	CleanupSubscription  *bool                     `json:"cleanupSubscription,omitempty"`
	CustomRuntimeOptions string                    `json:"customRuntimeOptions,omitempty"`
}

type consumerConfig struct {
	RegexPattern   bool              `json:"regexPattern,omitempty"`
	IsRegexPattern bool              `json:"isRegexPattern,omitempty"`
	ReceiverQueue  *int              `json:"receiverQueueSize,omitempty"`
	PoolMessages   bool              `json:"poolMessages,omitempty"`
	SchemaType     string            `json:"schemaType,omitempty"`
	SerdeClassName string            `json:"serdeClassName,omitempty"`
	SchemaProps    map[string]string `json:"schemaProperties,omitempty"`
	ConsumerProps  map[string]string `json:"consumerProperties,omitempty"`
}

type resources struct {
	CPU  float64 `json:"cpu"`
	RAM  int64   `json:"ram"`
	Disk int64   `json:"disk"`
}

// runtimeOptions is what Strobe puts into customRuntimeOptions: what Pulsar's FunctionConfig has no field for.
type runtimeOptions struct {
	MemoryBytes int64  `json:"memoryBytes,omitempty"`
	DeadlineMs  int64  `json:"deadlineMs,omitempty"`
	MaxAttempts int    `json:"maxAttempts,omitempty"`
	SHA256      string `json:"sha256,omitempty"` // of the module; in answers only
}

// Defaults are what a deployment gets that does not say.
type Defaults struct {
	MemoryBytes int64
	Deadline    time.Duration
	MaxAttempts int
}

var guarantees = map[string]string{
	"ATLEAST_ONCE": "at-least-once", "ATMOST_ONCE": "at-most-once", "EFFECTIVELY_ONCE": "effectively-once",
}

// unsupported names the options that ask for something Strobe does not have. Nothing is ignored in silence.
func (c *functionConfig) unsupported() []string {
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

// apply lays the configuration over spec; what the configuration does not say stays.
func (c *functionConfig) apply(spec *functions.Spec, d Defaults) error {
	if list := c.unsupported(); len(list) > 0 {
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
		g, ok := guarantees[c.ProcessingGuarantees]
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
	if err := c.applyRuntime(spec); err != nil {
		return err
	}
	fill(spec, d)
	return validateFunction(spec)
}

func (c *functionConfig) applyRuntime(spec *functions.Spec) error {
	if c.Resources != nil && c.Resources.RAM > 0 {
		spec.MemoryBytes = c.Resources.RAM
	}
	if c.CustomRuntimeOptions == "" {
		return nil
	}
	var o runtimeOptions
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
func describe(spec functions.Spec) (functionConfig, error) {
	c := functionConfig{Tenant: spec.Tenant, Namespace: spec.Namespace, Name: spec.Name, ClassName: "wasm", Runtime: "WASM",
		Inputs: spec.Inputs, InputSpecs: map[string]consumerConfig{}, Output: spec.Output, LogTopic: spec.LogTopic, RetainOrdering: spec.Ordered,
		DeadLetterTopic: spec.DeadLetter, SubName: spec.Subscription, Parallelism: spec.Parallelism, UserConfig: map[string]any{}}
	for name, g := range guarantees {
		if g == spec.Guarantee {
			c.ProcessingGuarantees = name
		}
	}
	for _, in := range spec.Inputs {
		c.InputSpecs[in] = consumerConfig{}
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
	c.Resources = &resources{CPU: 1, RAM: spec.MemoryBytes}
	o := runtimeOptions{MemoryBytes: spec.MemoryBytes, DeadlineMs: timeout, MaxAttempts: spec.MaxAttempts}
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
