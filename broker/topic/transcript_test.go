package topic

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts in testdata say now; commit only what you understand")

// runTranscript runs the commands of a transcript and compares their output: paragraphs of commands, "----", expected output. A line that
// begins with # is a comment.
func runTranscript(t *testing.T, file string, run func(cmd string, args []string) string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, par := range strings.Split(strings.TrimSpace(string(raw)), "\n\n") {
		input, want, _ := strings.Cut(strings.Trim(par, "\n"), "\n----")
		var got strings.Builder
		for _, line := range strings.Split(input, "\n") {
			if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
				continue
			}
			f := strings.Fields(line)
			got.WriteString(run(f[0], f[1:]))
		}
		text := strings.TrimSuffix(got.String(), "\n")
		if onlyComments(input) {
			if input != "" {
				out = append(out, input)
			}
			continue
		}
		out = append(out, strings.TrimSuffix(input+"\n----\n"+text, "\n"))
		if want = strings.Trim(want, "\n"); want != text && !*rewrite {
			t.Errorf("%s:\n%s\n---- want\n%s\n---- got\n%s", path, input, want, text)
		}
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func onlyComments(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// parseSent reads "first [highest]" or "seq chunk/chunks [uuid]".
func parseSent(t *testing.T, args []string) sent {
	t.Helper()
	s := sent{first: int64(atoi(t, args[0]))}
	s.highest = s.first
	if len(args) > 1 {
		if c, n, ok := strings.Cut(args[1], "/"); ok {
			s.chunk, s.chunks, s.size, s.uuid = int32(atoi(t, c)), int32(atoi(t, n)), 100, "u"
			if len(args) > 2 {
				s.uuid = args[2]
			}
		} else {
			s.highest = int64(atoi(t, args[1]))
		}
	}
	return s
}
