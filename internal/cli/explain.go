package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
)

func (a *app) explainCommand() *cobra.Command {
	kinds := []string{manifest.KindTopic, manifest.KindFunction, manifest.KindSource}
	return &cobra.Command{Use: "explain [CODE|KIND]", GroupID: "help", Short: "Explain an error code, or list the keys of a resource kind",
		Example: "  strobe explain STB-MANIFEST-0003\n  strobe explain Function\n  strobe explain",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			out := append([]string(nil), kinds...)
			for _, f := range fault.All() {
				out = append(out, f.Code+"\t"+f.Title)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, p []string) error {
			if len(p) == 0 {
				return a.print(fault.All(), func(w *rows) {
					w.add("CODE", "WHAT HAPPENED")
					for _, f := range fault.All() {
						w.add(f.Code, f.Title)
					}
				})
			}
			for _, k := range kinds {
				if strings.EqualFold(k, p[0]) {
					return a.explainKind(k)
				}
			}
			f, ok := fault.Lookup(strings.ToUpper(p[0]))
			if !ok {
				names := kinds
				for _, f := range fault.All() {
					names = append(names, f.Code)
				}
				return fault.CLIUnknownCode.New("%s%s", p[0], fault.DidYouMean(p[0], names))
			}
			if a.output != "table" {
				return a.print(f, nil)
			}
			return a.done("%s: %s\n\n%s\n\nFix: %s", f.Code, f.Title, f.Cause, f.Fix)
		}}
}

func (a *app) explainKind(kind string) error {
	list := manifest.Describe(kind)
	return a.print(list, func(w *rows) {
		w.add("KEY", "TYPE", "WHAT IT IS")
		for _, h := range list {
			key := h.Key
			if h.Required {
				key += " *"
			}
			w.add(key, h.Type, h.Text)
		}
	})
}

func (a *app) configCommand() *cobra.Command {
	c := group("config", "configuration", "help", "List configuration keys and check strobe.yaml", "")
	c.AddCommand(
		&cobra.Command{Use: "keys", Short: "List every key with its default", Args: args(0, ""), RunE: func(*cobra.Command, []string) error {
			type key struct {
				Name    string `json:"name"`
				Type    string `json:"type"`
				Default string `json:"default"`
				Help    string `json:"help"`
			}
			list := []key{}
			for _, k := range config.New().Keys() {
				list = append(list, key{k.Name, k.Type, k.Default, k.Help})
			}
			return a.print(list, func(w *rows) {
				w.add("KEY", "TYPE", "DEFAULT", "WHAT IT IS")
				for _, k := range list {
					w.add(k.Name, k.Type, orText(k.Default, "-"), k.Help)
				}
			})
		}},
		&cobra.Command{Use: "check FILE", Short: "Check a strobe.yaml", Args: args(1, "one file"), RunE: func(_ *cobra.Command, p []string) error {
			if _, errs := config.Load(p[0], nil); errs != nil {
				return joined(errs)
			}
			return a.done("%s is fine", p[0])
		}})
	return c
}
