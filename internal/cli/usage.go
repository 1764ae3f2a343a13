package cli

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strobemq/strobe/internal/fault"
)

// args refuses other than n arguments, which are called what, with the command's own usage line.
func args(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, got []string) error {
		if len(got) == n {
			return nil
		}
		if n == 0 {
			return fault.CLIUsage.New("%s takes no argument, got %q", c.CommandPath(), got).WithFix("See `%s --help`.", c.CommandPath())
		}
		return fault.CLIUsage.New("%s takes %s, got %d arguments", c.CommandPath(), what, len(got)).WithFix("Usage: %s", c.UseLine())
	}
}

// knownCommand refuses what is none of the commands that a command holds.
func knownCommand(c *cobra.Command, got []string) error {
	if len(got) == 0 {
		return nil
	}
	var names []string
	for _, s := range c.Commands() {
		names = append(names, s.Name())
	}
	return fault.CLIUsage.New("%s has no command %q%s", c.CommandPath(), got[0], fault.DidYouMean(got[0], names)).
		WithFix("See `%s --help`.", c.CommandPath())
}

// flagError says in our words what the flag library found wrong.
func flagError(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	f := fault.CLIUsage.New("%w", err)
	switch {
	case errors.As(err, &value):
		name, want := value.GetFlag().Name, takes(value.GetFlag().Value.Type())
		if want == "" {
			break
		}
		if errors.Is(err, strconv.ErrRange) {
			want += " that is not so large"
		}
		f = fault.CLIUsage.New("--%s takes %s, not %q", name, want, value.GetValue())
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1:
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		f = fault.CLIUsage.New("%s has no flag --%s%s", c.CommandPath(), unknown.GetSpecifiedName(), fault.DidYouMean(unknown.GetSpecifiedName(), names))
	}
	return f.WithFix("See `%s --help`.", c.CommandPath())
}

// takes is what a flag of a type takes, for people; empty: its own error says it.
func takes(kind string) string {
	switch kind {
	case "int", "int32", "int64":
		return "a whole number"
	case "uint", "uint16", "uint32", "uint64":
		return "a whole number from 0 on"
	case "float64":
		return "a number"
	case "duration":
		return "a time such as 30s or 5m"
	case "bool":
		return "true or false"
	}
	return ""
}
