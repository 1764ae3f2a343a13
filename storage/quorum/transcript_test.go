package quorum

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts again from what the code does; commit only what you understand")

// TestTranscripts plays the scripts of testdata: each line that begins with "> " is a command, what follows is its output.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			s := &script{t: t}
			for line := range strings.Lines(string(want)) {
				cmd, ok := strings.CutPrefix(line, "> ")
				if ok {
					got.WriteString(line)
					s.run(&got, strings.Fields(cmd))
				} else if strings.HasPrefix(line, "#") || line == "\n" {
					got.WriteString(line)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(want) {
				t.Errorf("%s plays differently now:\n%s", file, got.String())
			}
		})
	}
}

type script struct {
	t       *testing.T
	q       bk.Quorum
	window  *Window
	fencing *Fencing
}

func (s *script) num(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) quorum(text string) bk.Quorum {
	var q bk.Quorum
	if _, err := fmt.Sscanf(text, "%d/%d/%d", &q.Ensemble, &q.Write, &q.Ack); err != nil || !Valid(q) {
		s.t.Fatalf("quorum %q: %v", text, err)
	}
	return q
}

func (s *script) set(list []string) Set {
	var set Set
	for _, w := range list {
		set = set.With(int(s.num(w)))
	}
	return set
}

// names splits "a,b,c"; "-" is nobody.
func names(text string) []string {
	if text == "-" {
		return nil
	}
	return strings.Split(text, ",")
}

func (s *script) run(out *strings.Builder, cmd []string) {
	args := cmd[1:]
	switch cmd[0] {
	case "quorum": // ensemble/write/ack [first entry]
		first := int64(0)
		if len(args) > 1 {
			first = s.num(args[1])
		}
		s.q = s.quorum(args[0])
		s.window, s.fencing = NewWindow(s.q, first), NewFencing(s.q)
	case "write-set":
		for _, a := range args {
			fmt.Fprintf(out, "entry %s: %v\n", a, WriteSet(nil, s.num(a), s.q))
		}
	case "run": // index entry limit
		fmt.Fprintln(out, Run(int(s.num(args[0])), s.num(args[1]), s.q, s.num(args[2])))
	case "push":
		for range s.num(args[0]) {
			fmt.Fprintf(out, "entry %d\n", s.window.Push())
		}
	case "ack": // index entry...
		for _, a := range args[1:] {
			s.window.Ack(s.num(a), int(s.num(args[0])))
		}
	case "forget":
		s.window.Forget(int(s.num(args[0])))
	case "fail":
		s.window.Fail()
	case "confirm":
		n := s.window.Confirm()
		fmt.Fprintf(out, "%d confirmed: lac %d, %d pending\n", n, s.window.LAC(), s.window.Pending())
	case "covered":
		fmt.Fprintln(out, Covered(s.set(args), s.q))
	case "can-ack":
		fmt.Fprintln(out, CanAck(s.set(args), s.q))
	case "missing":
		fmt.Fprintln(out, Missing(int(s.num(args[0])), s.q))
	case "entry": // index lac length
		s.fencing.Entry(int(s.num(args[0])), s.num(args[1]), s.num(args[2]))
		s.fenced(out)
	case "failed": // index code
		s.fencing.Failed(int(s.num(args[0])), bk.Code(s.num(args[1])))
		s.fenced(out)
	case "lac": // floor
		lac, length := s.fencing.LAC(s.num(args[0]))
		fmt.Fprintf(out, "lac %d, length %d\n", lac, length)
	case "choose": // n candidates without avoid
		last := func(n int) int { return n - 1 }
		fmt.Fprintln(out, Choose(int(s.num(args[0])), names(args[1]), names(args[2]), names(args[3]), last))
	case "shrink": // quorum bookies
		q, ok := Shrink(s.quorum(args[0]), int(s.num(args[1])))
		fmt.Fprintf(out, "%d/%d/%d %v\n", q.Ensemble, q.Write, q.Ack, ok)
	default:
		s.t.Fatalf("no command %q", cmd[0])
	}
}

func (s *script) fenced(out *strings.Builder) {
	switch done, err := s.fencing.Done(); {
	case !done:
		fmt.Fprintln(out, "waits")
	case err != nil:
		fmt.Fprintln(out, "fails:", err)
	default:
		fmt.Fprintln(out, "covered")
	}
}

func TestSets(t *testing.T) {
	s := Set(0).With(0).With(5).With(63)
	if s.Len() != 3 || !s.Has(63) || s.Without(5).Has(5) || All(64) != ^Set(0) || All(3).Len() != 3 {
		t.Errorf("%b", s)
	}
	var got []int
	for i := range 64 {
		if s.Has(i) {
			got = append(got, i)
		}
	}
	if !slices.Equal(got, []int{0, 5, 63}) {
		t.Error(got)
	}
}
