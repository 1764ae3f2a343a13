package wasm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/strobemq/strobe/functions-sdk/abi"
)

const (
	maxLine   = 8 << 10 // bytes of a line that are kept
	lineRate  = 200     // lines a second, in the long run
	lineBurst = 2000    // lines at once
	maxTail   = 4 << 10 // of standard error, for the reason of a crash
)

// guestLog passes a guest's lines on to a logger: those it logs and those it prints. It cuts long lines, and drops lines of a guest that
// writes too fast, saying how many. One goroutine at a time.
type guestLog struct {
	log     *slog.Logger
	tokens  float64
	filled  time.Time
	dropped int64

	out, err lines
	tail     []byte // what was last printed to standard error
}

// lines puts pieces of output together until a line is whole.
type lines struct {
	part []byte
	skip bool // the line is full; the rest of it is left out
}

func levelOf(guest uint32) slog.Level {
	switch guest {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogWarn:
		return slog.LevelWarn
	case abi.LogError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// line passes one line on; text may be a view.
func (g *guestLog) line(level slog.Level, text []byte) {
	ctx := context.Background()
	if !g.log.Enabled(ctx, level) || !g.allow() {
		return
	}
	if g.dropped != 0 {
		g.log.Warn(fmt.Sprintf("%d lines were dropped here: the function logs more than %d lines a second", g.dropped, lineRate))
		g.dropped = 0
	}
	g.log.Log(ctx, level, string(bytes.ToValidUTF8(cutText(text, maxLine), []byte("\uFFFD"))))
}

func (g *guestLog) allow() bool {
	now := time.Now()
	if g.filled.IsZero() {
		g.tokens = lineBurst
	} else {
		g.tokens = min(lineBurst, g.tokens+now.Sub(g.filled).Seconds()*lineRate)
	}
	g.filled = now
	if g.tokens < 1 {
		g.dropped++
		return false
	}
	g.tokens--
	return true
}

func (g *guestLog) stdout(b []byte) { g.print(&g.out, slog.LevelInfo, b) }

func (g *guestLog) stderr(b []byte) {
	if len(g.tail)+len(b) <= maxTail {
		g.tail = append(g.tail, b...)
	} else if len(g.tail) < maxTail {
		g.tail = append(g.tail, b[:maxTail-len(g.tail)]...) // the first bytes say what happened, the last only where
	}
	g.print(&g.err, slog.LevelWarn, b)
}

func (g *guestLog) print(l *lines, level slog.Level, b []byte) {
	for len(b) != 0 {
		head, rest, whole := bytes.Cut(b, []byte{'\n'})
		if room := maxLine - len(l.part); len(head) > room {
			head, l.skip = head[:max(room, 0)], true
		}
		l.part = append(l.part, head...)
		if whole {
			if len(l.part) > 0 {
				g.line(level, l.part)
			}
			l.part, l.skip = l.part[:0], false
		}
		b = rest
	}
}

// crash takes what the guest printed to standard error since the last call, for the reason of its end: Go guests say there why they panic.
func (g *guestLog) crash() string {
	for _, line := range bytes.Split(g.tail, []byte{'\n'}) {
		for _, word := range []string{"panic: ", "fatal error: ", "runtime: out of memory", "thread '"} {
			if bytes.HasPrefix(line, []byte(word)) {
				return string(cutText(line, 1<<10))
			}
		}
	}
	return ""
}

// begin forgets the standard error of the call before.
func (g *guestLog) begin() { g.tail = g.tail[:0] }

// flush passes on what was printed without a line end. A guest's end is the end of its lines.
func (g *guestLog) flush() {
	for _, l := range []*lines{&g.out, &g.err} {
		if len(l.part) != 0 {
			g.line(slog.LevelInfo, l.part)
		}
		l.part, l.skip = l.part[:0], false
	}
}

// cutText cuts b to at most n bytes, not in the middle of a character.
func cutText(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}
