package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/functions-sdk/archive"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
	"github.com/strobemq/strobe/runtime/functions"
)

func (a *app) functionsCommand() *cobra.Command {
	c := group("functions", "function", "deploy", "Write, deploy and watch functions",
		"A function is a WASM module that gets the messages of its input topics and may write to others.\n\n"+
			"  strobe functions new --lang go hello      a project with handler, test and sample events\n"+
			"  strobe functions build ./hello            its WASM module\n"+
			"  strobe functions create --name hello --wasm hello/hello.wasm --inputs in --output out\n"+
			"  strobe functions logs hello -f")
	a.inNamespace(c)
	a.deployVerbs(c, "functions")
	c.AddCommand(a.functionsNew(), a.functionsBuild(), a.functionsCreate(), a.functionsUpdate(),
		&cobra.Command{Use: "get NAME", Short: "Print a function as apply takes it", Args: args(1, "one function"),
			RunE: func(c *cobra.Command, p []string) error {
				m, err := a.meta(p[0])
				if err != nil {
					return err
				}
				r, err := a.currentFunction(c.Context(), m)
				if err != nil {
					return err
				}
				return a.printResource(r)
			}})
	return c
}

func (a *app) functionsNew() *cobra.Command {
	var lang string
	c := &cobra.Command{Use: "new NAME", Short: "Make a project for a function: handler, test, sample events", Args: args(1, "a name"),
		Example: "  strobe functions new --lang go enrich",
		RunE: func(c *cobra.Command, p []string) error {
			if lang != "go" {
				return fault.CLIUsage.New("--lang %s", lang).WithFix("Only go is there yet; other languages can build against docs/functions-abi.md.")
			}
			dir := filepath.Base(p[0])
			if err := archive.NewProject(p[0], dir); err != nil {
				return err
			}
			return a.done("made %s\n  next: cd %s && go test ./... && strobe functions build .", p[0], p[0])
		}}
	c.Flags().StringVar(&lang, "lang", "go", "language of the function")
	return c
}

func (a *app) functionsBuild() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "build [DIR]", Short: "Build a function's WASM module",
		Example: "  strobe functions build ./enrich\n  strobe functions build . --out enrich.wasm",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, p []string) error {
			dir := "."
			if len(p) == 1 {
				dir = p[0]
			}
			if out == "" {
				full, err := filepath.Abs(dir)
				if err != nil {
					return err
				}
				out = filepath.Join(dir, filepath.Base(full)+".wasm")
			}
			if err := archive.Build(c.Context(), dir, out); err != nil {
				return err
			}
			info, err := os.Stat(out)
			if err != nil {
				return err
			}
			return a.done("built %s (%s)", out, bytesText(info.Size()))
		}}
	c.Flags().StringVar(&out, "out", "", "where to write the module; DIR/DIR.wasm unless given")
	return c
}

// functionFlags are the options of create and update.
type functionFlags struct {
	name string
	fn   manifest.Function
	wait bool
	time time.Duration
	mem  string
}

func (f *functionFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.name, "name", "", "name of the function")
	fl.StringVar(&f.fn.Wasm, "wasm", "", "path of the WASM module")
	fl.StringSliceVar(&f.fn.Inputs, "inputs", nil, "topics to read, with commas")
	fl.StringVar(&f.fn.Output, "output", "", "topic to write to")
	fl.StringToStringVar(&f.fn.Config, "config", nil, "settings the function reads, key=value")
	fl.Int64Var(&f.fn.Parallelism, "parallelism", 0, "number of instances")
	fl.StringVar(&f.fn.Guarantee, "guarantee", "", "at-least-once, effectively-once or at-most-once")
	fl.StringVar(&f.fn.Subscription, "subscription", "", "subscription to read with")
	fl.StringVar(&f.fn.Position, "position", "", "where a new subscription begins: latest or earliest")
	fl.BoolVar(&f.fn.Ordered, "ordered", false, "keep the order of each input")
	fl.Int64Var(&f.fn.MaxAttempts, "max-attempts", 0, "attempts before a message is parked")
	fl.StringVar(&f.fn.DeadLetter, "dead-letter", "", "topic for parked messages")
	fl.StringVar(&f.fn.LogTopic, "log-topic", "", "topic that gets the function's log lines")
	fl.StringVar(&f.mem, "memory", "", "memory the function may use: 64MiB")
	fl.DurationVar(&f.fn.Deadline, "deadline", 0, "time one call may take")
	fl.BoolVar(&f.wait, "wait", true, "wait until it runs")
	fl.DurationVar(&f.time, "timeout", time.Minute, "how long to wait")
}

func (a *app) functionsCreate() *cobra.Command {
	var f functionFlags
	c := &cobra.Command{Use: "create", Short: "Deploy a function", Args: args(0, ""),
		Example: "  strobe functions create --name enrich --wasm enrich.wasm --inputs orders --output enriched --config currency=EUR",
		RunE:    func(c *cobra.Command, _ []string) error { return a.deployFunction(c, &f, true) }}
	f.register(c)
	return c
}

func (a *app) functionsUpdate() *cobra.Command {
	var f functionFlags
	c := &cobra.Command{Use: "update", Short: "Change a deployed function; what is not given stays", Args: args(0, ""),
		Example: "  strobe functions update --name enrich --wasm enrich.wasm",
		RunE:    func(c *cobra.Command, _ []string) error { return a.deployFunction(c, &f, false) }}
	f.register(c)
	return c
}

func (a *app) deployFunction(c *cobra.Command, f *functionFlags, create bool) error {
	if f.name == "" {
		return fault.CLIUsage.New("--name is missing").WithFix("See `%s --help`.", c.CommandPath())
	}
	m, err := a.meta(f.name)
	if err != nil {
		return err
	}
	if f.mem != "" {
		if f.fn.Memory, err = manifest.ParseSize(f.mem, false); err != nil {
			return fault.CLIUsage.New("--memory %s: %w", f.mem, err)
		}
	}
	if create && f.fn.Wasm == "" {
		return fault.CLIUsage.New("--wasm is missing").WithFix("Build the module with `strobe functions build`, then give it with --wasm FILE.")
	}
	if create && len(f.fn.Inputs) == 0 {
		return fault.CLIUsage.New("--inputs is missing")
	}
	r := manifest.Resource{Kind: manifest.KindFunction, Metadata: m, Function: &f.fn}
	if err := a.putFunction(c.Context(), r, create); err != nil {
		return err
	}
	if f.wait {
		if err := a.waitRunning(c.Context(), "functions", m, f.time); err != nil {
			return err
		}
	}
	word := "updated"
	if create {
		word = "created"
	}
	return a.done("%s function %s", word, m)
}

// putFunction uploads a function's configuration, and its module if it names one.
func (a *app) putFunction(ctx context.Context, r manifest.Resource, create bool) error {
	f := r.Function
	cfg := functionConfig(r)
	p, err := jsonPart("functionConfig", cfg)
	if err != nil {
		return err
	}
	parts := []part{p}
	if f.Wasm != "" {
		data, err := readModule(r)
		if err != nil {
			return err
		}
		parts = append(parts, part{"data", "application/octet-stream", data})
	}
	method := "PUT"
	if create {
		method = "POST"
	}
	return a.upload(ctx, method, deployPath("functions", r.Metadata, ""), parts...)
}

// functionConfig is the function in Pulsar's form; what is not set is left out.
func functionConfig(r manifest.Resource) map[string]any {
	f, m := r.Function, r.Metadata
	c := map[string]any{"tenant": m.Tenant, "namespace": m.Namespace, "name": m.Name, "className": "wasm"}
	set := func(key string, on bool, v any) {
		if on {
			c[key] = v
		}
	}
	var inputs []string
	for _, in := range f.Inputs {
		inputs = append(inputs, m.FullTopic(in))
	}
	set("inputs", inputs != nil, inputs)
	set("output", f.Output != "", m.FullTopic(f.Output))
	set("logTopic", f.LogTopic != "", m.FullTopic(f.LogTopic))
	set("deadLetterTopic", f.DeadLetter != "", m.FullTopic(f.DeadLetter))
	set("subName", f.Subscription != "", f.Subscription)
	set("parallelism", f.Parallelism > 0, f.Parallelism)
	set("userConfig", f.Config != nil, f.Config)
	set("retainOrdering", f.Ordered, true)
	set("subscriptionPosition", f.Position != "", strings.ToUpper(first(f.Position))+rest(f.Position))
	for name, g := range functions.Guarantees {
		set("processingGuarantees", g == f.Guarantee, name)
	}
	o := functions.RuntimeOptions{MemoryBytes: f.Memory, DeadlineMs: f.Deadline.Milliseconds(), MaxAttempts: int(f.MaxAttempts)}
	if o != (functions.RuntimeOptions{}) {
		text, _ := json.Marshal(o) // a struct of numbers
		c["customRuntimeOptions"] = string(text)
	}
	return c
}

func first(s string) string { return s[:min(1, len(s))] }
func rest(s string) string  { return s[min(1, len(s)):] }

// currentFunction reads a deployed function back into the form of files.
func (a *app) currentFunction(ctx context.Context, m manifest.Metadata) (manifest.Resource, error) {
	r := manifest.Resource{Kind: manifest.KindFunction, Metadata: m}
	var c functions.FunctionConfig
	if err := a.call(ctx, "GET", deployPath("functions", m, ""), nil, &c); err != nil {
		return r, err
	}
	var o functions.RuntimeOptions
	if c.CustomRuntimeOptions != "" {
		if err := json.Unmarshal([]byte(c.CustomRuntimeOptions), &o); err != nil {
			return r, err
		}
	}
	f := &manifest.Function{SHA256: o.SHA256, Inputs: c.Inputs, Output: c.Output, Config: map[string]string{}, Parallelism: int64(c.Parallelism),
		Guarantee: functions.Guarantees[c.ProcessingGuarantees], Subscription: c.SubName, Position: strings.ToLower(c.SubscriptionPosition),
		Ordered: c.RetainOrdering, MaxAttempts: int64(o.MaxAttempts), DeadLetter: c.DeadLetterTopic, LogTopic: c.LogTopic,
		Memory: o.MemoryBytes, Deadline: time.Duration(o.DeadlineMs) * time.Millisecond}
	for k, v := range c.UserConfig {
		if s, ok := v.(string); ok {
			f.Config[k] = s
		}
	}
	r.Function = f
	return r, nil
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readModule reads a function's module and checks the hash its file asks for.
func readModule(r manifest.Resource) ([]byte, error) {
	if r.Function.Wasm == "" {
		return nil, fault.CLIFile.New("%s: no module of the hash %s is deployed, and no file is named", r.ID(), r.Function.SHA256).WithFix("Add spec.wasm with the path of the module.")
	}
	data, err := os.ReadFile(r.WasmPath())
	if err != nil {
		return nil, fault.CLIFile.New("%s: %w", r.ID(), err)
	}
	if want := r.Function.SHA256; want != "" && want != sha256Hex(data) {
		return nil, fault.CLIFile.New("%s: %s has the hash %s, the resource asks for %s", r.ID(), r.WasmPath(), sha256Hex(data), want)
	}
	return data, nil
}
