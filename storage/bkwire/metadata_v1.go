package bkwire

import (
	"fmt"
	"strconv"
	"strings"
)

// inRecoveryLast stands in format version 1 where a closed ledger has its last entry.
const inRecoveryLast = -102

const closedWord = "CLOSED"

// decodeLines reads format version 1: lines with write quorum, ensemble, length, then one per segment (first entry and
// bookies, parted by tabs), and at last the last entry and CLOSED unless the ledger is open. Ledgers of that age have the
// ack quorum of their write quorum and digest by the caller's word; CRC32 was the default.
func (m *Metadata) decodeLines(s string) error {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) < 4 || len(lines) > maxSegments {
		return fmt.Errorf("%d lines", len(lines))
	}
	var head [3]int64
	for i := range head {
		v, err := strconv.ParseInt(lines[i], 10, 64)
		if err != nil || v < 0 || i < 2 && v > MaxEnsemble {
			return fmt.Errorf("line %d: %.30q", i+2, lines[i])
		}
		head[i] = v
	}
	m.Quorum.Write, m.Quorum.Ack, m.Quorum.Ensemble, m.Length = int(head[0]), int(head[0]), int(head[1]), head[2]
	for i, line := range lines[3:] {
		first, rest, _ := strings.Cut(line, "\t")
		entry, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return fmt.Errorf("line %d: entry %.30q", i+5, first)
		}
		if rest == closedWord {
			if i+4 != len(lines) {
				return fmt.Errorf("line %d: more behind the end", i+5)
			}
			if entry == inRecoveryLast {
				m.State = InRecovery
			} else {
				m.State, m.Last = Closed, entry
			}
			return nil
		}
		bookies := strings.Split(rest, "\t")
		if len(bookies) > MaxEnsemble {
			return fmt.Errorf("line %d: %d bookies", i+5, len(bookies))
		}
		m.Segments = append(m.Segments, Segment{First: entry, Bookies: bookies})
	}
	return nil
}

// appendLines appends format version 1, for ledgers that were made in it.
func (m *Metadata) appendLines(dst []byte) []byte {
	length := int64(0)
	if m.State == Closed {
		length = m.Length
	}
	dst = fmt.Appendf(dst, "%d\n%d\n%d", m.Quorum.Write, m.Quorum.Ensemble, length)
	for _, s := range m.Segments {
		dst = fmt.Appendf(dst, "\n%d\t%s", s.First, strings.Join(s.Bookies, "\t"))
	}
	switch m.State {
	case Closed:
		dst = fmt.Appendf(dst, "\n%d\t%s", m.Last, closedWord)
	case InRecovery:
		dst = fmt.Appendf(dst, "\n%d\t%s", inRecoveryLast, closedWord)
	}
	return dst
}
