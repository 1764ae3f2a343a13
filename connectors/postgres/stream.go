package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

const (
	// reportInterval is how often the server hears from the source at least, and is asked for an answer.
	reportInterval = 10 * time.Second
	// silence is how long the server may say nothing, although it is asked; longer, and the connection is taken for dead.
	silence      = 2 * time.Minute
	writeTimeout = 10 * time.Second
	// commitWait is how long rows are held for the rest of their transaction.
	commitWait = 5 * time.Millisecond
)

// errSwitch says that the old shape's rows are all done and stored, and the new shape is to take over.
var errSwitch = errors.New("the configuration changes here")

// stream is one connection: Read's side decodes, the keeper saves and confirms, the watch looks after slot and publication.
type stream struct {
	source   *Source
	framer   *framer
	tracker  *tracker
	decoder  *decoder
	keeper   *keeper
	watch    *watch
	point    checkpoint // all but LSN and Sequence of what is saved
	switchAt pglogrepl.LSN

	handed   uint64    // number of the last row that was handed out
	deadline time.Time // of the read that is going on

	writing sync.Mutex // one report at a time

	mu     sync.Mutex
	failed error // the first error of what runs beside Read
}

func newStream(s *Source, f *framer, sit situation, point checkpoint) *stream {
	start := position{lsn: point.LSN, row: point.Sequence}
	st := &stream{source: s, framer: f, point: point, handed: point.Sequence, tracker: newTracker(start)}
	rule := s.config.route
	if !sit.shape.equal(s.config.shape) {
		// The rule was valid when it was stored.
		rule, _ = parseRoute(sit.shape.Topic, s.env.Tenant, s.env.Namespace)
		st.switchAt = sit.ident.flushed
		s.log.Info("rows up to a position still follow the former configuration", "position", st.switchAt.String())
	}
	st.decoder = newDecoder(sit.shape, rule, st.tracker, s.baseType)
	if sit.facts.Table != nil {
		st.decoder.outbox = sit.facts.Table.OID
	}
	every := reportInterval
	if third := time.Duration(sit.facts.SenderTimeout) * time.Millisecond / 3; third > 0 {
		every = min(every, third)
	}
	st.keeper = &keeper{tracker: st.tracker, save: st.save, report: st.report, fail: st.fail, reportEvery: every, idleEvery: s.config.heartbeat}
	st.watch = newWatch(s, sit.shape, st.fail)
	return st
}

func (st *stream) start() {
	st.keeper.start(position{lsn: st.point.LSN, row: st.point.Sequence})
	st.watch.start()
}

// baseType resolves a domain on a connection of its own: rare, and the stream speaks no SQL.
func (s *Source) baseType(oid uint32) (uint32, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	conn, _, err := dial(ctx, s.config.server, s.env.Secret, false)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	base, err := baseTypeOf(ctx, conn, oid)
	return base, s.config.server.asError(err)
}

// read is Source.Read on this connection.
func (st *stream) read(ctx context.Context) (connectors.Batch, error) {
	st.deadline = time.Time{}
	stop := context.AfterFunc(ctx, func() { st.framer.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	d := st.decoder
	b := st.tracker.batch()
	d.batch = b
	defer func() { d.batch = nil }()
	held := false
	for {
		err := st.parse(b)
		if err == nil && len(b.records) > 0 {
			if d.open && !b.full() && st.more(&held) {
				continue
			}
			return st.handOut(b), nil
		}
		if err == nil && st.switching() {
			err = st.drain(ctx)
		}
		if err == nil {
			err = st.fill(ctx)
		}
		if err != nil {
			return connectors.Batch{}, st.readError(ctx, err)
		}
	}
}

// more waits for the rest of a transaction, commitWait at most for a batch: it is on its way, in a packet for each row and for the
// commit, and only with the commit can the position move over the rows.
func (st *stream) more(held *bool) bool {
	if !*held {
		*held = true
		st.deadline = time.Time{}
		st.framer.SetReadDeadline(time.Now().Add(commitWait))
	}
	return st.framer.fill(st.framer.need()) == nil
}

// switching tells whether the stream is where the former shape ends.
func (st *stream) switching() bool {
	return st.switchAt != 0 && !st.decoder.open && st.decoder.passed >= st.switchAt
}

// parse adds to b what is in the buffer.
func (st *stream) parse(b *batch) error {
	for !b.full() && !st.switching() {
		fr, ok, err := st.framer.next()
		if err != nil || !ok {
			return err
		}
		if err := st.frame(fr); err != nil {
			return err
		}
	}
	return nil
}

func (st *stream) frame(fr frame) error {
	switch fr.kind {
	case 'd':
		return st.decoder.copyData(fr.body, fr.cut)
	case 'E':
		var e pgproto3.ErrorResponse
		if err := e.Decode(fr.body); err != nil {
			return errMalformed(fr.kind)
		}
		return st.serverEnded(pgconn.ErrorResponseToPgError(&e))
	case 'N':
		var n pgproto3.NoticeResponse
		if err := n.Decode(fr.body); err != nil {
			return errMalformed(fr.kind)
		}
		return st.notice((*pgproto3.ErrorResponse)(&n))
	case 'S': // a parameter of the session changed
		return nil
	case 'c', 'C', 'Z':
		return connectors.As(connectors.Retry, fault.PostgresUnreachable.New("%s: the server ended the stream", st.source.config.server))
	}
	return connectors.As(connectors.Retry, fault.PostgresStream.New("unexpected message %q", fr.kind))
}

// serverEnded explains why the server broke the stream off.
func (st *stream) serverEnded(pg *pgconn.PgError) error {
	switch {
	case pg.Code == "42704" && strings.Contains(pg.Message, st.point.Shape.Publication):
		return st.publicationGap(pg.Message)
	case pg.Code == "55000":
		return connectors.As(connectors.Fatal, fault.PostgresSlotLost.New("%s", pg.Message))
	}
	return st.source.config.server.serverError(pg)
}

// notice looks for the one warning that means loss: since Postgres 18 a missing publication is no error, its rows are just left out.
func (st *stream) notice(n *pgproto3.ErrorResponse) error {
	if n.Code == "55000" && strings.Contains(n.Message, `"`+st.point.Shape.Publication+`"`) {
		return st.publicationGap(n.Message)
	}
	st.source.log.Info("Postgres says", "message", n.Message, "code", n.Code)
	return nil
}

func (st *stream) publicationGap(said string) error {
	pos, _, _ := st.tracker.progress()
	return connectors.As(connectors.Fatal, fault.PostgresPublicationGap.New("%s (after %v)", said, pos.lsn).WithFix(
		"%s\nSELECT pg_replication_slot_advance(%s, pg_current_wal_lsn());\nacceptGapAfter: <the position that is then named> -- rows committed without the publication are not sent",
		createPublicationSQL(st.point.Shape, false), literal(st.source.config.slot)))
}

func (st *stream) handOut(b *batch) connectors.Batch {
	st.handed = st.decoder.row
	batch := b.seal()
	st.tracker.handOut(b)
	st.count(int64(len(batch.Records)))
	return batch
}

// count tells the metrics what has happened since the last time.
func (st *stream) count(rows int64) {
	m := st.source.env.Metrics
	if m == nil {
		return
	}
	m.Count("rows", rows)
	for name, n := range map[string]*int64{"ignored_updates": &st.decoder.ignored.updates, "ignored_deletes": &st.decoder.ignored.deletes,
		"ignored_truncates": &st.decoder.ignored.truncates, "ignored_other_tables": &st.decoder.ignored.others} {
		if *n > 0 {
			m.Count(name, *n)
			*n = 0
		}
	}
}

// fill reads from the socket. The order matters: whoever interrupts sets a deadline in the past after it has said why.
func (st *stream) fill(ctx context.Context) error {
	if now := time.Now(); st.deadline.Sub(now) < silence-reportInterval {
		st.deadline = now.Add(silence)
		st.framer.SetReadDeadline(st.deadline)
	}
	if err := st.failure(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return st.framer.fill(st.framer.need())
}

func (st *stream) readError(ctx context.Context, err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case err == errSwitch:
		return err
	case st.failure() != nil:
		return st.failure()
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF):
		err = errors.New("the connection was closed")
	case errors.As(err, &timeout) && timeout.Timeout():
		err = fmt.Errorf("silent for %v", silence)
	}
	return st.source.config.server.asError(err)
}

// drain waits until everything that was handed out is done.
func (st *stream) drain(ctx context.Context) error {
	done, wait := st.tracker.drained()
	if !done {
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errSwitch
}

// save makes p the stored position.
func (st *stream) save(ctx context.Context, p position) error {
	c := st.point
	c.LSN, c.Sequence = p.lsn, p.row
	return st.source.save(ctx, c)
}

// report sends a standby status update: always all three positions, because a zero would be taken for the one before it.
func (st *stream) report(received, confirmed pglogrepl.LSN, ask bool) error {
	const microsecondsTo2000 = postgresEpoch * 1000
	msg := make([]byte, 0, 39)
	msg = append(msg, 'd', 0, 0, 0, 38, pglogrepl.StandbyStatusUpdateByteID)
	msg = binary.BigEndian.AppendUint64(msg, uint64(received))
	msg = binary.BigEndian.AppendUint64(msg, uint64(confirmed))
	msg = binary.BigEndian.AppendUint64(msg, uint64(confirmed))
	msg = binary.BigEndian.AppendUint64(msg, uint64(time.Now().UnixMicro()-microsecondsTo2000))
	msg = append(msg, 0)
	if ask {
		msg[len(msg)-1] = 1
	}
	st.writing.Lock()
	defer st.writing.Unlock()
	st.framer.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := st.framer.Conn.Write(msg); err != nil {
		return st.source.config.server.asError(err)
	}
	return nil
}

// fail makes Read return err.
func (st *stream) fail(err error) {
	st.mu.Lock()
	if st.failed == nil {
		st.failed = err
	}
	st.mu.Unlock()
	st.framer.SetReadDeadline(time.Unix(1, 0))
}

func (st *stream) failure() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.failed
}

// close ends the connection and stores what was acknowledged until now; last, also that nothing is on its way, if so. It may be called
// again when storing failed.
func (st *stream) close(ctx context.Context, last bool) error {
	if last {
		st.readCommit()
	}
	st.watch.close()
	st.keeper.stop()
	st.count(0)
	pos, _, _ := st.tracker.progress()
	done, _ := st.tracker.drained()
	st.point.Drained = last && done && pos.row == st.handed
	err := st.keeper.settle(ctx, st.point.Drained)
	st.hangUp()
	return err
}

// readCommit reads on to the end of the transaction if all its rows are done and only that is missing, so that a source that ends in order
// stores a position behind them. A row that comes instead is left for the next time.
func (st *stream) readCommit() {
	d := st.decoder
	if done, _ := st.tracker.drained(); !done || !d.open || d.row != st.handed || st.failure() != nil {
		return
	}
	st.framer.SetReadDeadline(time.Now().Add(time.Second))
	d.batch = st.tracker.batch()
	for d.open && len(d.batch.records) == 0 {
		fr, ok, err := st.framer.next()
		if ok {
			err = st.frame(fr)
		} else if err == nil {
			err = st.framer.fill(st.framer.need())
		}
		if err != nil {
			return
		}
	}
}

// hangUp ends the connection and waits a moment until the server has let go of the slot, so that the next connection finds it free.
func (st *stream) hangUp() {
	st.framer.SetDeadline(time.Now().Add(time.Second))
	if _, err := st.framer.Conn.Write([]byte{'X', 0, 0, 0, 4}); err == nil {
		io.Copy(io.Discard, st.framer.Conn)
	}
	st.framer.Close()
}
