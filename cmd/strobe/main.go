// Command strobe is every role of Strobe: `strobe standalone` runs all of them in one process, the other commands talk to a
// running one. This package is wiring only.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/connectors/all"
	"github.com/strobemq/strobe/internal/cli"
	"github.com/strobemq/strobe/internal/manifest"
)

// version is set when a release is built.
var version = "0.1.0"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "host" { // not for people, and as light as can be
		os.Exit(runHost(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, rootCommand(), os.Args[1:], os.Stderr))
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "strobe",
		Short: "Serverless functions and connectors on a Pulsar-compatible broker",
		Long: "Strobe is a Pulsar-compatible broker with durable storage, WASM functions and connectors in one binary.\n\n" +
			"  strobe standalone                       run everything in this directory's ./strobe-data\n" +
			"  strobe produce hello -m world           publish a message\n" +
			"  strobe consume hello --earliest         read it\n" +
			"  strobe functions new --lang go NAME     write a function\n" +
			"  strobe explain STB-...                  explain an error",
		Version: version,
	}
	root.SetVersionTemplate("strobe {{.Version}}\n")
	cli.Commands(root, cli.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version, Connectors: connectorOptions(), Catalogue: catalogue()})
	root.AddCommand(standaloneCommand(), brokerCommand(), bookieCommand(), clusterCommand(), &cobra.Command{
		Use: "version", GroupID: "help", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "strobe %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			return err
		},
	})
	root.SetHelpCommandGroupID("help")
	root.SetCompletionCommandGroupID("help")
	return root
}

// connectorOptions are the keys against which files are checked.
func connectorOptions() manifest.Connectors {
	out := manifest.Connectors{}
	for _, t := range all.Types {
		for _, o := range t.Options {
			out[t.Name] = append(out[t.Name], manifest.ConnectorOption{Key: o.Key, Type: o.Type, Required: o.Required})
		}
	}
	return out
}

func catalogue() []cli.Connector {
	var out []cli.Connector
	for _, t := range all.Types {
		c := cli.Connector{Name: t.Name, Summary: t.Summary, Guarantee: string(t.Guarantee)}
		for _, o := range t.Options {
			c.Options = append(c.Options, cli.ConnectorOption{Key: o.Key, Type: o.Type, Default: o.Default, Required: o.Required, Help: o.Help})
		}
		out = append(out, c)
	}
	return out
}
