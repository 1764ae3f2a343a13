package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v4"
	"golang.org/x/term"

	"github.com/strobemq/strobe/internal/fault"
)

// print writes v as -o says; table writes it for people.
func (a *app) print(v any, table func(w *rows)) error {
	switch a.output {
	case "table":
		r := &rows{}
		table(r)
		return r.flush(a.Out)
	case "json":
		enc := json.NewEncoder(a.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	case "yaml":
		return writeYAML(a.Out, v)
	}
	return fault.CLIUsage.New("-o %s", a.output).WithFix("Use -o table, -o json or -o yaml.")
}

// writeYAML writes v under the names of its JSON form.
func writeYAML(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var plain any
	if err := yaml.Unmarshal(text, &plain); err != nil { // JSON is YAML; this keeps whole numbers whole
		return err
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(plain); err != nil {
		return err
	}
	return enc.Close()
}

// rows is a table: cells in columns, aligned when it is complete.
type rows struct {
	lines []string
	empty string // said instead of a table without rows
}

func (r *rows) add(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = strings.NewReplacer("\t", " ", "\n", " ").Replace(fmt.Sprint(c))
	}
	r.lines = append(r.lines, strings.Join(text, "\t"))
}

func (r *rows) flush(w io.Writer) error {
	if len(r.lines) <= 1 && r.empty != "" {
		_, err := fmt.Fprintln(w, r.empty)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, l := range r.lines {
		fmt.Fprintln(t, l)
	}
	return t.Flush()
}

// done reports what a command did, on standard output.
func (a *app) done(format string, args ...any) error {
	if a.output != "table" {
		return nil // the exit code says it
	}
	_, err := fmt.Fprintf(a.Out, format+"\n", args...)
	return err
}

// terminal reports whether w is one, and colours are wanted.
func (a *app) terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && !a.noColor && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

func (a *app) paint(w io.Writer, code int, s string) string {
	if !a.terminal(w) {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, s)
}

const (
	red    = 31
	green  = 32
	yellow = 33
)

func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, exp := float64(n)/unit, 0
	for v >= unit && exp < 4 {
		v /= unit
		exp++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[exp])
}
