// Package cli is the verbs of the strobe command that talk to a running strobe: over its admin REST and over the public
// protocol, like any other client.
//
// Results go to standard output, in the form chosen with -o; progress and errors go to standard error. Exit codes: 0 done, 1 failed,
// 2 wrong use, 3 not there, 4 differences (diff), 5 strobe cannot be reached, 6 not done in time.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitDiffers     = 4
	ExitUnreachable = 5
	ExitTimeout     = 6
)

// Env is what the commands need from the process.
type Env struct {
	In         io.Reader
	Out, Err   io.Writer
	Version    string
	Connectors manifest.Connectors // for checking files before anything is sent
	// Connector descriptions for `connectors list | describe`.
	Catalogue []Connector
}

// Connector describes a connector that the program holds.
type Connector struct {
	Name      string            `json:"name"`
	Summary   string            `json:"summary"`
	Guarantee string            `json:"guarantee"`
	Options   []ConnectorOption `json:"options,omitempty"`
}

// ConnectorOption is one of its configuration keys.
type ConnectorOption struct {
	Key      string `json:"key"`
	Type     string `json:"type"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required,omitempty"`
	Help     string `json:"help"`
}

// app is the state the commands of one invocation share.
type app struct {
	Env
	server  string // http://host:port
	broker  string // pulsar://host:port
	output  string // table, json, yaml
	noColor bool

	tenant, namespace string
}

// Commands are the client verbs, to be added to the root command; root gets their common flags.
func Commands(root *cobra.Command, env Env) {
	a := &app{Env: env}
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", envOr("STROBE_SERVER", "http://127.0.0.1:8080"), "address of the admin REST (environment: STROBE_SERVER)")
	f.StringVar(&a.broker, "broker", envOr("STROBE_URL", "pulsar://127.0.0.1:6650"), "address of the broker (environment: STROBE_URL)")
	f.StringVarP(&a.output, "format", "o", "table", "form of the result: table, json or yaml")
	f.BoolVar(&a.noColor, "no-color", false, "no colours, also on a terminal")
	_ = root.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(
		&cobra.Group{ID: "server", Title: "Run a server:"},
		&cobra.Group{ID: "messages", Title: "Messages and topics:"},
		&cobra.Group{ID: "storage", Title: "Storage:"},
		&cobra.Group{ID: "deploy", Title: "Functions and connectors:"},
		&cobra.Group{ID: "help", Title: "Help:"},
	)
	root.AddCommand(
		a.topicsCommand(), a.produceCommand(), a.consumeCommand(),
		a.bookiesCommand(), a.ledgersCommand(),
		a.functionsCommand(), a.sourcesCommand(), a.connectorsCommand(),
		a.applyCommand(), a.diffCommand(), a.deleteCommand(), a.statusCommand(),
		a.explainCommand(), a.configCommand(),
	)
}

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// Run executes the root command and returns the exit code; errors are printed.
func Run(ctx context.Context, root *cobra.Command, args []string, stderr io.Writer) int {
	root.SetArgs(args)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	var word string
	if n, _ := fmt.Sscanf(err.Error(), "unknown command %q for", &word); n == 1 { // the root's, which is asked before its Args
		err = knownCommand(root, []string{word})
	}
	var quiet quietError
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	if _, coded := fault.Of(err); !coded && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fault.CLIUnanswered.New("")
	}
	color := term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == ""
	PrintError(stderr, err, color)
	return exitCode(err)
}

// quietError ends with an exit code and without a word: everything was said.
type quietError int

func (e quietError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func exitCode(err error) int {
	switch {
	case fault.Has(err, fault.CLIUsage):
		return ExitUsage
	case missing(err):
		return ExitNotFound
	case fault.Has(err, fault.CLIUnreachable):
		return ExitUnreachable
	case fault.Has(err, fault.CLITimeout):
		return ExitTimeout
	}
	return ExitFailed
}

// PrintError prints an error for people: what happened, then what to do. Joined errors are printed one after the other.
func PrintError(w io.Writer, err error, color bool) {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range list.Unwrap() {
			PrintError(w, e, color)
		}
		return
	}
	head, foot := "error: ", ""
	if color {
		head, foot = "\x1b[31merror:\x1b[0m ", "\x1b[0m"
	}
	f, ok := fault.Of(err)
	if !ok {
		f, ok = faultNamedIn(err)
	}
	if !ok {
		fmt.Fprintf(w, "%s%v\n", head, err)
		return
	}
	fmt.Fprintf(w, "%s%v\n", head, err)
	for i, line := range strings.Split(f.FixText(), "\n") {
		mark := "  fix: "
		if i > 0 {
			mark = "       "
		}
		if color {
			fmt.Fprintf(w, "\x1b[2m%s%s%s\n", mark, line, foot)
		} else {
			fmt.Fprintf(w, "%s%s\n", mark, line)
		}
	}
}

var codePattern = regexp.MustCompile(`STB-[A-Z]+-\d{4}`)

// faultNamedIn is the fault behind an error that came as text: of the codes in it the last known one, which lies deepest.
func faultNamedIn(err error) (*fault.Error, bool) {
	for _, code := range slices.Backward(codePattern.FindAllString(err.Error(), -1)) {
		if f, ok := fault.Lookup(code); ok {
			return f.New(""), true
		}
	}
	return nil, false
}

// group makes a command that only holds others; without one of them it shows its help.
func group(use, alias, groupID, short, long string) *cobra.Command {
	return &cobra.Command{Use: use, Aliases: []string{alias}, GroupID: groupID, Short: short, Long: long,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
}

// inNamespace adds the flags that say where a short name lies.
func (a *app) inNamespace(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&a.tenant, "tenant", "public", "tenant of names without one")
	f.StringVar(&a.namespace, "namespace", "default", "namespace of names without one")
}

// meta reads name or tenant/namespace/name.
func (a *app) meta(name string) (manifest.Metadata, error) {
	m := manifest.Metadata{Tenant: a.tenant, Namespace: a.namespace, Name: name}
	if parts := strings.Split(name, "/"); len(parts) == 3 {
		m = manifest.Metadata{Tenant: parts[0], Namespace: parts[1], Name: parts[2]}
	} else if len(parts) != 1 {
		return m, fault.CLIUsage.New("%q is neither a name nor tenant/namespace/name", name)
	}
	if m.Tenant == "" || m.Namespace == "" || m.Name == "" {
		return m, fault.CLIUsage.New("%q has an empty part", name)
	}
	return m, nil
}
