package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
func (w *Worker) applyFunction(c *functions.FunctionConfig, spec *functions.Spec) error {
	if list := unsupported(c); len(list) > 0 {
		return fault.WorkerBadConfig.New("not supported: %s", strings.Join(list, ", "))
	}
	if err := w.applyTopics(c, spec); err != nil {
		return err
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
		spec.MaxAttempts = min(*c.MaxMessageRetries, maxAttempts) + 1 // one too many is refused below
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
	if c.TimeoutMs != nil {
		if err := setDeadline("timeoutMs", *c.TimeoutMs, spec); err != nil {
			return err
		}
	}
	if err := applyRuntime(c, spec); err != nil {
		return err
	}
	fill(spec, w.o.Defaults)
	return validateFunction(spec)
}

// applyTopics takes over the topics and the subscription.
func (w *Worker) applyTopics(c *functions.FunctionConfig, spec *functions.Spec) (err error) {
	var inputs []string
	add := func(field string, names []string) error {
		for _, name := range names {
			full, err := w.topic(field, name, spec.FQName)
			if err != nil {
				return err
			}
			if !slices.Contains(inputs, full) {
				inputs = append(inputs, full)
			}
		}
		return nil
	}
	if err := errors.Join(add("inputs", c.Inputs), add("inputSpecs", slices.Sorted(maps.Keys(c.InputSpecs))),
		add("customSerdeInputs", slices.Sorted(maps.Keys(c.CustomSerdeInputs))), add("customSchemaInputs", slices.Sorted(maps.Keys(c.CustomSchemaInputs)))); err != nil {
		return err
	}
	if len(inputs) > 0 {
		spec.Inputs = inputs
	}
	for _, t := range []struct {
		field, name string
		to          *string
	}{{"output", c.Output, &spec.Output}, {"logTopic", c.LogTopic, &spec.LogTopic}, {"deadLetterTopic", c.DeadLetterTopic, &spec.DeadLetter}} {
		if t.name == "" {
			continue
		}
		if *t.to, err = w.topic(t.field, t.name, spec.FQName); err != nil {
			return err
		}
	}
	if c.SubName != "" {
		spec.Subscription = c.SubName
	}
	return checkSubscription("subName", c.SubName)
}

// topic is the full name of the topic that a field names; the error says which field holds none.
func (w *Worker) topic(field, name string, n functions.FQName) (string, error) {
	full := FullTopic(name, n)
	if w.o.CheckTopic == nil {
		return full, nil
	}
	if err := w.o.CheckTopic(full); err != nil {
		bad := fault.WorkerBadConfig.New("%s: %w", field, err)
		if f, ok := fault.Of(err); ok {
			bad = bad.WithFix("%s", f.FixText())
		}
		return "", bad
	}
	return full, nil
}

// checkSubscription refuses names that the broker uses for its own positions, and those that no log or terminal can show.
func checkSubscription(field, name string) error {
	switch {
	case len(name) > maxSubscription || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fault.WorkerBadConfig.New("%s %.100q; want at most %d bytes of UTF-8 without control characters", field, name, maxSubscription)
	case name == "pulsar.dedup" || strings.HasPrefix(name, "pulsar.repl.") || strings.HasPrefix(name, "__") || name == functions.ParkedSubscription:
		return fault.WorkerBadConfig.New("%s %s: the broker and the worker keep positions of their own under that name", field, name)
	}
	return nil
}

const (
	// maxDeadline bounds a call into a guest. It is far from what a time.Duration holds, in milliseconds too.
	maxDeadline = 24 * time.Hour
	maxAttempts = 1000
	// maxMemory is what a 32-bit guest can address.
	maxMemory       = 4 << 30
	maxSubscription = 500
)

// setDeadline takes over a deadline in milliseconds; 0 leaves what is there.
func setDeadline(field string, ms int64, spec *functions.Spec) error {
	if ms < 0 || ms > maxDeadline.Milliseconds() {
		return fault.WorkerBadConfig.New("%s %d; want 1 to %d (24 hours), or 0 for the default", field, ms, maxDeadline.Milliseconds())
	}
	if ms > 0 {
		spec.Deadline = time.Duration(ms) * time.Millisecond
	}
	return nil
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
	if err := setDeadline("customRuntimeOptions.deadlineMs", o.DeadlineMs, spec); err != nil {
		return err
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
	case spec.Parallelism < 1 || spec.Parallelism > maxInstances:
		return fault.WorkerBadConfig.New("parallelism %d; want 1 to %d", spec.Parallelism, maxInstances)
	case spec.MemoryBytes < 0 || spec.MemoryBytes > maxMemory:
		return fault.WorkerBadConfig.New("%d bytes of memory; want at most %d", spec.MemoryBytes, int64(maxMemory))
	case slices.Contains(spec.Inputs, spec.Output):
		return fault.WorkerLoop.New("%s", spec.Output)
	case slices.Contains(spec.Inputs, spec.DeadLetter):
		return fault.WorkerLoop.New("the dead-letter topic %s", spec.DeadLetter)
	case slices.Contains(spec.Inputs, spec.LogTopic):
		return fault.WorkerLoop.New("the log topic %s", spec.LogTopic)
	}
	return checkAttempts(spec)
}

func checkAttempts(spec *functions.Spec) error {
	if spec.MaxAttempts < 1 || spec.MaxAttempts > maxAttempts {
		return fault.WorkerBadConfig.New("%d attempts; want 1 to %d", spec.MaxAttempts, maxAttempts)
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
