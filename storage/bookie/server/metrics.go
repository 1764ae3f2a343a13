package server

import (
	"sync/atomic"

	"github.com/strobemq/strobe/storage/bk"
)

type counters struct {
	accepted   atomic.Int64
	turnedAway atomic.Int64
	stuck      atomic.Int64
	badLength  atomic.Int64
	badFrame   atomic.Int64
	badOpcode  atomic.Int64
	v3         atomic.Int64
	otherID    atomic.Int64
	entries    atomic.Int64
	bytes      atomic.Int64
	answers    [len(answerCodes)]atomic.Int64
}

// answerCodes is what a request can be answered with.
var answerCodes = [...]bk.Code{
	bk.OK, bk.ErrNoLedger, bk.ErrNoEntry, bk.ErrBadRequest, bk.ErrIO, bk.ErrUnauthorized, bk.ErrBadVersion, bk.ErrFenced, bk.ErrReadOnly,
	bk.ErrTooMany, bk.ErrLimbo,
}

// answer counts n answers of code; what has no number on the wire counts as what is sent for it, but for bk.ErrLimbo.
func (m *counters) answer(code bk.Code, n int) {
	if n == 0 {
		return
	}
	for i, c := range answerCodes {
		if c == code {
			m.answers[i].Add(int64(n))
			return
		}
	}
	m.answer(bk.ErrIO, n)
}

func (m *counters) read(entries int, bytes int64) {
	m.entries.Add(int64(entries))
	m.bytes.Add(bytes)
}

// Metrics is a server at one moment. Counters count since its start.
type Metrics struct {
	Connections   int
	MaxConns      int
	WaitingReads  int               // that no worker has taken
	WaitingFences int               // those of them that fence or have priority
	ReadLimit     int               // how many of one connection may wait
	OutputBytes   int64             // of answers that are not written
	OutputLimit   int               // of one connection; above it the client is taken for stuck
	Accepted      int64             // counter: connections
	TurnedAway    int64             // counter: connections closed because there were too many
	Stuck         int64             // counter: connections closed because the client did not take its answers
	BadLength     int64             // counter: connections closed over the length of a frame
	BadFrame      int64             // counter: over a frame that was too short for what it said it was
	BadOpcode     int64             // counter: over an operation that is unknown
	Version3      int64             // counter: because the client spoke version 3
	OtherID       int64             // counter: because the client looked for another bookie
	ReadEntries   int64             // counter: entries sent
	ReadBytes     int64             // counter: their bytes
	Answers       map[bk.Code]int64 // counter: answers by code; what is bk.ErrLimbo here was sent as bk.ErrIO
}

// Metrics takes a snapshot.
func (s *Server) Metrics() Metrics {
	m := Metrics{
		MaxConns: s.o.MaxConns, WaitingReads: s.normal.queue(), WaitingFences: s.priority.queue(), ReadLimit: s.o.MaxReads,
		OutputLimit: s.o.mostOutput(), Accepted: s.metrics.accepted.Load(), TurnedAway: s.metrics.turnedAway.Load(),
		Stuck: s.metrics.stuck.Load(), BadLength: s.metrics.badLength.Load(), BadFrame: s.metrics.badFrame.Load(),
		BadOpcode: s.metrics.badOpcode.Load(), Version3: s.metrics.v3.Load(), OtherID: s.metrics.otherID.Load(), ReadEntries: s.metrics.entries.Load(),
		ReadBytes: s.metrics.bytes.Load(), Answers: map[bk.Code]int64{},
	}
	for i, c := range answerCodes {
		if n := s.metrics.answers[i].Load(); n > 0 {
			m.Answers[c] = n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Connections = len(s.conns)
	for c := range s.conns {
		m.OutputBytes += int64(c.out.Unwritten())
	}
	return m
}
