package subscription

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestChooseActive(t *testing.T) {
	var cs []candidate
	var seq uint64
	show := func(name string, partition int, topic string) string {
		who := "nobody"
		if i := chooseActive(cs, partition, topic); i >= 0 {
			who = cs[i].name
		}
		return fmt.Sprintf("%s: %s\n", name, who)
	}
	runTranscript(t, "choose_active.txt", func(cmd string, args []string) string {
		switch cmd {
		case "join": // join name priority
			p, _ := strconv.Atoi(args[1])
			seq++
			cs = append(cs, candidate{args[0], int32(p), seq})
		case "leave":
			cs = slices.DeleteFunc(cs, func(c candidate) bool { return c.name == args[0] })
		case "partitions": // partitions n
			n, _ := strconv.Atoi(args[0])
			var b strings.Builder
			for p := range n {
				b.WriteString(show(strconv.Itoa(p), p, "t"))
			}
			return b.String()
		case "topics": // topics that are no partitions
			var b strings.Builder
			for _, topic := range args {
				b.WriteString(show(topic, -1, topic))
			}
			return b.String()
		}
		return ""
	})
}

func TestNextTurn(t *testing.T) {
	var ts []turn
	var names []string
	var last uint64
	runTranscript(t, "turns.txt", func(cmd string, args []string) string {
		switch cmd {
		case "join": // join name priority
			p, _ := strconv.Atoi(args[1])
			ts = append(ts, turn{seq: uint64(len(ts) + 1), priority: int32(p), able: true})
			names = append(names, args[0])
		case "able", "unable":
			for _, n := range args {
				ts[slices.Index(names, n)].able = cmd == "able"
			}
		case "next": // next n
			n, _ := strconv.Atoi(args[0])
			var who []string
			for range n {
				i := nextTurn(ts, last)
				if i < 0 {
					who = append(who, "nobody")
					continue
				}
				last = ts[i].seq
				who = append(who, names[i])
			}
			return strings.Join(who, " ") + "\n"
		}
		return ""
	})
}

func TestRanges(t *testing.T) {
	var r ranges[string]
	show := func() string {
		var b strings.Builder
		for _, o := range r.list {
			fmt.Fprintf(&b, "%d-%d %s\n", o.first, o.last, o.owner)
		}
		return b.String()
	}
	parse := func(s string) HashRange {
		from, to, _ := strings.Cut(s, "-")
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		return HashRange{int32(a), int32(b)}
	}
	runTranscript(t, "ranges.txt", func(cmd string, args []string) string {
		switch cmd {
		case "split":
			for _, n := range args {
				r.split(n)
			}
		case "merge":
			r.merge(args[0])
		case "claim": // claim name from-to…
			var rs []HashRange
			for _, a := range args[1:] {
				rs = append(rs, parse(a))
			}
			if !r.claim(args[0], rs) {
				return "refused\n"
			}
		case "release":
			r.release(args[0])
		case "owner":
			h, _ := strconv.Atoi(args[0])
			if o, ok := r.owner(uint16(h)); ok {
				return o + "\n"
			}
			return "nobody\n"
		}
		return show()
	})
}
