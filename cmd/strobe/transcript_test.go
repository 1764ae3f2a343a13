package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts anew; commit only if you understand the difference")

// TestTranscripts runs the sessions of testdata/cli/*.txt against a fresh server each. A line "$ command" is run by the shell, and what it
// prints on both outputs must be what follows; "[exit 2]" says how it ended when that is not 0. "@server flags" at the top gives the
// server flags. Files of testdata/cli/files lie in the directory of the session. What differs from run to run is replaced by names in
// capitals.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/cli/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcript", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := newSession(t, string(text)).run(string(text))
			if got == string(text) {
				return
			}
			if *rewrite {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("the session went otherwise (go test ./cmd/strobe -run Transcripts -rewrite writes it):\n%s", difference(string(text), got))
		})
	}
}

type session struct {
	t     *testing.T
	dir   string
	env   []string
	names *strings.Replacer
}

func newSession(t *testing.T, text string) *session {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, dir: t.TempDir()}
	var flags []string
	if line, _, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(line, "@server") {
		flags = strings.Fields(line)[1:]
	}
	p := start(t, t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", flags...)
	t.Cleanup(func() { p.stop(t) })
	if err := os.CopyFS(s.dir, os.DirFS("testdata/cli/files")); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "STROBE_SERVER="+p.HTTP, "STROBE_URL="+p.Pulsar, "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"), "NO_COLOR=1")
	s.names = strings.NewReplacer(p.HTTP, "HTTP", p.Pulsar, "PULSAR", s.dir, "DIR", strings.TrimPrefix(p.HTTP, "http://"), "HTTPADDR")
	return s
}

func (s *session) run(text string) string {
	var out strings.Builder
	skipping := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "$ "):
			out.WriteString(line)
			out.WriteString(s.command(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "$ ")))
			skipping = true
		case strings.HasPrefix(line, "#") || strings.HasPrefix(line, "@") || line == "\n" && skipping:
			skipping = skipping && !strings.HasPrefix(line, "#")
			if line != "\n" || out.Len() > 0 && !strings.HasSuffix(out.String(), "\n\n") {
				out.WriteString(line)
			}
		case !skipping:
			out.WriteString(line)
		}
	}
	return out.String()
}

func (s *session) command(line string) string {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = s.dir, s.env
	text, err := cmd.CombinedOutput()
	code := ""
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = "[exit " + strconv.Itoa(exit.ExitCode()) + "]\n"
	} else if err != nil {
		s.t.Fatal(err)
	}
	out := strings.ReplaceAll(string(text), "\n\n", "\n") // an empty line ends what a command printed
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	return s.normal(out) + code + "\n"
}

// varying are the things that differ from run to run.
var varying = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "SHA256"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "BOOKIE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\b\d+(\.\d+)? ms\b`), "N ms"},
	{regexp.MustCompile(`\(\d+\.\d+ s\)`), "(N s)"},
	{regexp.MustCompile(`\b\d+:\d+:-1(:\d+)?\b`), "ID"},
	{regexp.MustCompile(`\(\d+\.\d MiB\)`), "(N MiB)"},
	{regexp.MustCompile(`\d+\.\d{3}s`), "Ns"},
}

func (s *session) normal(text string) string {
	text = s.names.Replace(text)
	for _, v := range varying {
		text = v.form.ReplaceAllString(text, v.name)
	}
	return text
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			from := max(0, i-3)
			return "want\n  " + strings.Join(w[from:min(len(w), i+6)], "\n  ") + "\ngot\n  " + strings.Join(g[from:min(len(g), i+6)], "\n  ")
		}
	}
	return ""
}
