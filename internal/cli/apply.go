package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
	"github.com/strobemq/strobe/runtime/functions"
)

func joined(errs []error) error { return errors.Join(errs...) }

// files is the -f flag that apply, diff and delete share.
func (a *app) files(c *cobra.Command, paths *[]string) {
	c.Flags().StringSliceVarP(paths, "filename", "f", nil, "file, directory or - (standard input); may be given several times")
}

func (a *app) readFiles(paths []string) ([]manifest.Resource, error) {
	if len(paths) == 0 {
		return nil, fault.CLIUsage.New("no file: give -f FILE")
	}
	rs, errs := manifest.ReadFiles(paths, a.In, a.Connectors)
	if errs != nil {
		return nil, joined(errs)
	}
	return rs, nil
}

// plan is what must happen to one resource.
type plan struct {
	resource manifest.Resource
	create   bool
	changes  []manifest.Change
}

// planAll compares files with the server: topics first, then functions, then sources, so that what others need is there.
func (a *app) planAll(ctx context.Context, rs []manifest.Resource) ([]plan, error) {
	var out []plan
	for _, kind := range []string{manifest.KindTopic, manifest.KindFunction, manifest.KindSource} {
		for _, r := range rs {
			if r.Kind != kind {
				continue
			}
			p, err := a.plan(ctx, r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.ID(), err)
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func (a *app) plan(ctx context.Context, want manifest.Resource) (plan, error) {
	p := plan{resource: want}
	have, err := a.current(ctx, want.Kind, want.Metadata)
	if missing(err) {
		p.create = true
		if want.Kind == manifest.KindFunction { // say now, not half-way, that the module is not there
			_, err = readModule(want)
			return p, err
		}
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if want.Kind == manifest.KindFunction {
		full := *want.Function
		if full.Wasm != "" || full.SHA256 != have.Function.SHA256 { // without a file the deployed module stays, if it is the one meant
			data, err := readModule(want)
			if err != nil {
				return p, err
			}
			full.SHA256 = sha256Hex(data)
		}
		full.Wasm = ""
		full.Inputs = nil
		for _, in := range want.Function.Inputs {
			full.Inputs = append(full.Inputs, want.Metadata.FullTopic(in))
		}
		for _, t := range []*string{&full.Output, &full.DeadLetter, &full.LogTopic} {
			if *t != "" {
				*t = want.Metadata.FullTopic(*t)
			}
		}
		want.Function = &full
	}
	if want.Kind == manifest.KindSource && want.Source.DeadLetter != "" {
		full := *want.Source
		full.DeadLetter = want.Metadata.FullTopic(full.DeadLetter)
		want.Source = &full
	}
	p.changes = manifest.Diff(have, want)
	if want.Kind == manifest.KindTopic && want.Topic.Partitions < have.Topic.Partitions && want.Topic.Partitions != 0 ||
		want.Kind == manifest.KindTopic && want.Topic.Partitions > 0 && have.Topic.Partitions == 0 {
		return p, fault.CLIShrink.New("%d partitions to %d", have.Topic.Partitions, want.Topic.Partitions)
	}
	return p, nil
}

func (a *app) current(ctx context.Context, kind string, m manifest.Metadata) (manifest.Resource, error) {
	switch kind {
	case manifest.KindTopic:
		return a.currentTopic(ctx, m)
	case manifest.KindFunction:
		return a.currentFunction(ctx, m)
	}
	return a.currentSource(ctx, m)
}

func (a *app) applyCommand() *cobra.Command {
	var paths []string
	var noWait, noCheck bool
	var timeout time.Duration
	c := &cobra.Command{Use: "apply -f FILE", GroupID: "deploy", Short: "Make topics, functions and sources as files describe them", Args: args(0, ""),
		Long: "Makes what is not there, changes what differs, leaves the rest, and waits until it runs. Applying a file twice changes nothing.\n" +
			"Keys that a file leaves out keep their value.",
		Example: "  strobe apply -f pipeline.yaml\n  strobe diff -f pipeline.yaml && strobe apply -f pipeline.yaml\n  strobe topics get orders -o yaml | strobe apply -f -",
		RunE: func(c *cobra.Command, _ []string) error {
			rs, err := a.readFiles(paths)
			if err != nil {
				return err
			}
			plans, err := a.planAll(c.Context(), rs)
			if err != nil {
				return err
			}
			type result struct {
				Resource string `json:"resource"`
				Action   string `json:"action"`
			}
			results := []result{}
			for _, p := range plans {
				action, err := a.execute(c.Context(), p, !noCheck)
				if err != nil {
					return fmt.Errorf("%s: %w", p.resource.ID(), err)
				}
				results = append(results, result{p.resource.ID(), action})
				if a.output == "table" {
					fmt.Fprintf(a.Out, "%-10s %s\n", a.paint(a.Out, colorOf(action), action), p.resource.ID())
				}
			}
			if !noWait {
				for _, p := range plans {
					plural := map[string]string{manifest.KindFunction: "functions", manifest.KindSource: "sources"}[p.resource.Kind]
					if plural == "" || !p.create && p.changes == nil {
						continue
					}
					if err := a.waitRunning(c.Context(), plural, p.resource.Metadata, timeout); err != nil {
						return fmt.Errorf("%s: %w", p.resource.ID(), err)
					}
				}
			}
			if a.output != "table" {
				return a.print(results, nil)
			}
			return nil
		}}
	a.files(c, &paths)
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until functions and sources run")
	c.Flags().BoolVar(&noCheck, "no-check", false, "deploy sources without trying first whether they can run")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait")
	return c
}

func colorOf(action string) int {
	if action == "unchanged" {
		return 0
	}
	return green
}

// execute carries out a plan and says what it did: created, changed or unchanged.
func (a *app) execute(ctx context.Context, p plan, check bool) (string, error) {
	if !p.create && len(p.changes) == 0 {
		return "unchanged", nil
	}
	var err error
	switch r := p.resource; r.Kind {
	case manifest.KindTopic:
		err = a.putTopic(ctx, r, p.create)
	case manifest.KindFunction:
		err = a.putFunction(ctx, r, p.create)
	case manifest.KindSource:
		err = a.putSource(ctx, r, p.create, check)
	}
	if p.create {
		return "created", err
	}
	return "changed", err
}

// waitRunning waits until every instance of the newest generation runs. An instance that failed for good ends the wait.
func (a *app) waitRunning(ctx context.Context, plural string, m manifest.Metadata, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		s, err := a.status(ctx, plural, m)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			if s.NumInstances > 0 && s.NumRunning == s.NumInstances {
				return nil
			}
			for _, i := range s.Instances {
				switch t := i.Status.Strobe; t.State {
				case functions.StateFailed:
					return instanceError(t)
				case functions.StateStopped:
					return nil // stopped on purpose: there is nothing to wait for
				default:
					if t.Error != "" {
						last = t.Error
					}
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.CLITimeout.New("it does not run after %s; last error: %s", timeout, orText(last, "none"))
		}
	}
}

// instanceError is the instance's own error, with its own fix when it has a code.
func instanceError(s functions.Status) error {
	e := fault.CLINotRunning.New("%s", s.Error)
	if f, ok := fault.Lookup(s.Code); ok {
		return e.WithFix("%s", f.Fix)
	}
	return e
}

func (a *app) diffCommand() *cobra.Command {
	var paths []string
	c := &cobra.Command{Use: "diff -f FILE", GroupID: "deploy", Short: "Show what apply would do; exit code 4 if anything", Args: args(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			rs, err := a.readFiles(paths)
			if err != nil {
				return err
			}
			plans, err := a.planAll(c.Context(), rs)
			if err != nil {
				return err
			}
			type change struct {
				Key string `json:"key"`
				Old any    `json:"old"`
				New any    `json:"new"`
			}
			type difference struct {
				Resource string   `json:"resource"`
				Create   bool     `json:"create,omitempty"`
				Changes  []change `json:"changes,omitempty"`
			}
			out := []difference{}
			for _, p := range plans {
				if !p.create && len(p.changes) == 0 {
					continue
				}
				d := difference{Resource: p.resource.ID(), Create: p.create}
				for _, ch := range p.changes {
					d.Changes = append(d.Changes, change(ch))
				}
				out = append(out, d)
			}
			err = a.print(out, func(w *rows) {
				w.empty = "no difference"
				for _, d := range out {
					if d.Create {
						w.add(a.paint(a.Out, green, "+ "+d.Resource))
						continue
					}
					w.add(a.paint(a.Out, yellow, "~ "+d.Resource))
					for _, ch := range d.Changes {
						w.add(fmt.Sprintf("    %s: %s -> %s", ch.Key, valueText(ch.Old), valueText(ch.New)))
					}
				}
				if len(out) > 0 {
					w.empty = ""
				}
			})
			if err == nil && len(out) > 0 {
				return quietError(ExitDiffers)
			}
			return err
		}}
	a.files(c, &paths)
	return c
}

func valueText(v any) string {
	if v == nil {
		return "(not set)"
	}
	return fmt.Sprint(v)
}

func (a *app) deleteCommand() *cobra.Command {
	var paths []string
	var force bool
	c := &cobra.Command{Use: "delete -f FILE", GroupID: "deploy", Short: "Remove what files describe: sources, then functions, then topics", Args: args(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			rs, err := a.readFiles(paths)
			if err != nil {
				return err
			}
			for _, kind := range []string{manifest.KindSource, manifest.KindFunction, manifest.KindTopic} {
				for _, r := range rs {
					if r.Kind != kind {
						continue
					}
					action := "deleted"
					if err := a.remove(c.Context(), r, force); missing(err) {
						action = "not there"
					} else if err != nil {
						return fmt.Errorf("%s: %w", r.ID(), err)
					}
					if err := a.done("%-10s %s", action, r.ID()); err != nil {
						return err
					}
				}
			}
			return nil
		}}
	a.files(c, &paths)
	c.Flags().BoolVar(&force, "force", false, "disconnect producers and consumers of topics first")
	return c
}

func (a *app) remove(ctx context.Context, r manifest.Resource, force bool) error {
	switch r.Kind {
	case manifest.KindTopic:
		t, err := a.topic(r.Metadata.FullTopic(r.Metadata.Name))
		if err != nil {
			return err
		}
		return a.deleteTopic(ctx, t, force)
	case manifest.KindFunction:
		return a.call(ctx, "DELETE", deployPath("functions", r.Metadata, ""), nil, nil)
	}
	return a.call(ctx, "DELETE", deployPath("sources", r.Metadata, ""), nil, nil)
}

// printResource prints a resource in the form of files; -o json gives the same document as JSON.
func (a *app) printResource(r manifest.Resource) error {
	text, err := manifest.Write(r)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.jsonOf(text)
	}
	_, err = a.Out.Write(text)
	return err
}
