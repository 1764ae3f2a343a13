package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
)

func (a *app) connectorsCommand() *cobra.Command {
	c := group("connectors", "connector", "deploy", "List, describe and check the connectors this program holds", "")
	check := &cobra.Command{Use: "check FILE", Short: "Try everything the sources of a file will need, and print all problems at once",
		Long: "Connects to the other system with the rights the source will have and tries everything it will need. All problems are\n" +
			"printed at once, each with what fixes it. Nothing is deployed or changed.",
		Args: args(1, "one file"),
		RunE: func(c *cobra.Command, p []string) error {
			rs, errs := manifest.ReadFiles(p, a.In, a.Connectors)
			if errs != nil {
				return joined(errs)
			}
			return a.checkSources(c, rs)
		}}
	c.AddCommand(check,
		&cobra.Command{Use: "list", Short: "List the connectors", Args: args(0, ""), RunE: func(*cobra.Command, []string) error {
			list := slices.Clone(a.Catalogue)
			for i := range list {
				list[i].Options = nil
			}
			return a.print(list, func(w *rows) {
				w.add("NAME", "GUARANTEE", "WHAT IT DOES")
				for _, k := range list {
					w.add(k.Name, k.Guarantee, k.Summary)
				}
			})
		}},
		&cobra.Command{Use: "describe NAME", Short: "Print a connector's settings", Args: args(1, "one connector"), RunE: func(_ *cobra.Command, p []string) error {
			var names []string
			for _, k := range a.Catalogue {
				names = append(names, k.Name)
				if k.Name != p[0] {
					continue
				}
				return a.print(k, func(w *rows) {
					w.add(k.Name + ": " + k.Summary)
					w.add("")
					w.add("SETTING", "TYPE", "DEFAULT", "WHAT IT IS")
					for _, o := range k.Options {
						def := o.Default
						if o.Required {
							def = "(required)"
						}
						w.add(o.Key, o.Type, def, o.Help)
					}
				})
			}
			return fault.WorkerConnector.New("%s%s", p[0], fault.DidYouMean(p[0], names))
		}})
	return c
}

func (a *app) checkSources(c *cobra.Command, rs []manifest.Resource) error {
	type problem struct{ Code, Cause, Fix, Path string }
	found, sources := map[string][]problem{}, 0
	for _, r := range rs {
		if r.Kind != manifest.KindSource {
			continue
		}
		sources++
		in, err := sourceConfig(r)
		if err != nil {
			return err
		}
		var out struct{ Problems []problem }
		if err := a.call(c.Context(), "POST", "/admin/v3/sources/check", in, &out); err != nil {
			return fmt.Errorf("%s: %w", r.ID(), err)
		}
		if len(out.Problems) > 0 {
			found[r.ID()] = out.Problems
		}
	}
	if sources == 0 {
		return fault.CLIUsage.New("the file holds no Source")
	}
	if a.output != "table" {
		if err := a.print(found, nil); err != nil {
			return err
		}
	} else if len(found) == 0 {
		return a.done("%s", a.paint(a.Out, green, "ok")+": everything the source will need is there")
	}
	for _, id := range sortedKeys(found) {
		if a.output != "table" {
			break
		}
		fmt.Fprintf(a.Out, "%s\n", id)
		for _, p := range found[id] {
			fmt.Fprintf(a.Out, "  %s %s\n", a.paint(a.Out, red, p.Code), p.Cause)
			for _, line := range strings.Split(p.Fix, "\n") {
				fmt.Fprintf(a.Out, "      %s\n", line)
			}
		}
	}
	if len(found) > 0 {
		return quietError(ExitFailed)
	}
	return nil
}
