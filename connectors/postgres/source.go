package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// Source reads an outbox table. Connect finds where to begin, Read hands rows out, their acknowledgement moves the position.
type Source struct {
	config config
	env    connectors.Env
	log    *slog.Logger

	stream *stream // the connection; nil: none
	closed bool
}

// NewSource validates the configuration; all that is wrong with it is in the error.
func NewSource(raw map[string]any, env connectors.Env) (connectors.Source, error) {
	c, findings := readConfig(raw, env)
	if err := connectors.Join(findings); err != nil {
		return nil, err
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{config: c, env: env, log: env.Log}, nil
}

// Connect opens the source at its last acknowledged position, after it has made sure that this is possible without a gap: the facts about
// server, publication, table and slot are the same that `check` looks at. What is missing and allowed is created.
func (s *Source) Connect(ctx context.Context) error {
	if s.closed {
		return errors.New("the source is closed")
	}
	if err := s.disconnect(ctx, false); err != nil {
		return err
	}
	return s.open(ctx)
}

// settleTimeout bounds how long a source that ends waits for its last position to be stored.
const settleTimeout = 5 * time.Second

// disconnect ends the connection, if there is one, and stores what was acknowledged up to now.
func (s *Source) disconnect(ctx context.Context, last bool) error {
	st := s.stream
	if st == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	err := st.close(ctx, last)
	if err == nil || last {
		s.stream = nil
	}
	return err
}

// Read returns the rows that have arrived, or waits for some.
func (s *Source) Read(ctx context.Context) (connectors.Batch, error) {
	for {
		if s.stream == nil {
			return connectors.Batch{}, connectors.As(connectors.Retry, errors.New("the source is not connected"))
		}
		batch, err := s.stream.read(ctx)
		if err != errSwitch {
			return batch, err
		}
		// The last shape's rows are done: begin again at this place with the new one.
		if err := s.disconnect(ctx, true); err != nil {
			return connectors.Batch{}, err
		}
		if err := s.open(ctx); err != nil {
			return connectors.Batch{}, err
		}
	}
}

// load reads the stored position; nil when the source never ran.
func (s *Source) load(ctx context.Context) (*checkpoint, error) {
	data, err := s.env.Checkpoints.Load(ctx)
	if err != nil {
		return nil, connectors.As(connectors.Retry, fault.PostgresPosition.New("reading it: %w", err))
	}
	if len(data) == 0 {
		return nil, nil
	}
	c, err := decodeCheckpoint(data)
	if err != nil {
		return nil, connectors.As(connectors.Fatal, fault.PostgresCheckpoint.New("%w", err))
	}
	return &c, nil
}

func (s *Source) save(ctx context.Context, c checkpoint) error {
	data, err := c.encode()
	if err != nil {
		return err
	}
	if err := s.env.Checkpoints.Save(ctx, data); err != nil {
		return connectors.As(connectors.Retry, fault.PostgresPosition.New("%v: %w", c.LSN, err))
	}
	return nil
}

// open logs in, judges, creates, and starts the stream.
func (s *Source) open(ctx context.Context) error {
	last, err := s.load(ctx)
	if err != nil {
		return err
	}
	conn, f, err := dial(ctx, s.config.server, s.env.Secret, true)
	if err != nil {
		return err
	}
	st, err := s.begin(ctx, conn, f, last)
	if err != nil {
		conn.Close(ctx)
		return s.config.server.asError(err)
	}
	s.stream = st
	return nil
}

func (s *Source) begin(ctx context.Context, conn *pgconn.PgConn, f *framer, last *checkpoint) (*stream, error) {
	sit := situation{config: s.config, shape: s.config.shape, last: last}
	if last != nil && !last.Drained {
		sit.shape = last.Shape // rows of the old shape may be on their way; a new one waits until they are through
	}
	v, err := sit.look(ctx, conn)
	if err == nil && v.skipTo && !sit.shape.equal(s.config.shape) {
		sit.shape = s.config.shape // nothing before the gap comes again
		v, err = sit.look(ctx, conn)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range v.advice {
		s.log.Warn(a.Err.Error(), "fix", a.Err.FixText())
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	if err := sit.create(ctx, conn, v); err != nil {
		return nil, err
	}
	if v.createPublication || v.createSlot {
		if sit.facts, err = gather(ctx, conn, sit.shape, s.config.slot); err != nil {
			return nil, err
		}
	}
	point, err := sit.start(v)
	if err != nil {
		return nil, err
	}
	// From here on rows may be handed out, so the position no longer says that none is.
	if err := s.save(ctx, point); err != nil {
		return nil, err
	}
	return s.startStream(ctx, conn, f, sit, point)
}

// look fills in what the server says and judges it.
func (s *situation) look(ctx context.Context, conn *pgconn.PgConn) (verdict, error) {
	var err error
	if s.ident, err = identify(ctx, conn); err != nil {
		return verdict{}, err
	}
	if s.facts, err = gather(ctx, conn, s.shape, s.config.slot); err != nil {
		return verdict{}, err
	}
	if s.last != nil && s.last.Timeline != s.ident.timeline {
		if s.switchPoint, err = switchPoint(ctx, conn, s.ident.timeline, s.last.Timeline); err != nil {
			return verdict{}, err
		}
	}
	return judge(*s), nil
}

// gapJump is more rows than can have been handed out beyond a stored position.
const gapJump = 1 << 32

// firstNumber is what the rows of a source without a position are numbered from: microseconds since 2025. The broker may still remember
// the numbers of an earlier source of the same name, and must not take new rows for old ones; that source would have had to read
// more than a million rows a second all its life to come so far. It leaves the 12 bits free that a function's outputs need.
func firstNumber(now time.Time) uint64 {
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	return uint64(max(1, int64(now.Sub(start)/time.Second)*1_000_000))
}

// start is the position to begin at: the stored one, or the slot's place. An accepted gap leaves out more numbers than could have been
// used beyond the stored position.
func (s situation) start(v verdict) (checkpoint, error) {
	c := checkpoint{System: s.ident.system, Timeline: s.ident.timeline, Slot: s.config.slot, Shape: s.shape}
	if s.last != nil && !v.skipTo {
		c.LSN, c.Sequence = s.last.LSN, s.last.Sequence
		return c, nil
	}
	if s.facts.Slot == nil {
		return checkpoint{}, connectors.As(connectors.Retry, fault.PostgresSlot.New("%s vanished", s.config.slot))
	}
	var err error
	if c.LSN, err = parseLSN(s.facts.Slot.Confirmed); err != nil {
		return checkpoint{}, connectors.As(connectors.Retry, fault.PostgresSlotWaits.New("%s is still being made", s.config.slot))
	}
	c.Sequence = firstNumber(time.Now())
	if s.last != nil {
		c.Sequence = max(c.Sequence, s.last.Sequence+gapJump)
	}
	return c, nil
}

// startStream turns the connection into the slot's stream and starts what runs beside Read.
func (s *Source) startStream(ctx context.Context, conn *pgconn.PgConn, f *framer, sit situation, point checkpoint) (*stream, error) {
	err := pglogrepl.StartReplication(ctx, conn, s.config.slot, point.LSN, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names " + literal(identifier(sit.shape.Publication))},
	})
	if err != nil {
		return nil, sit.startError(err)
	}
	if _, err := conn.Hijack(); err != nil {
		return nil, err
	}
	st := newStream(s, f, sit, point)
	st.start()
	return st, nil
}

// startError explains what START_REPLICATION refused; most of it judge has seen before, unless it happened just now.
func (s situation) startError(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "55006":
		return connectors.As(connectors.Retry, fault.PostgresSlotActive.New("%s", pg.Message))
	case "42704":
		return connectors.As(connectors.Fatal, fault.PostgresSlotDropped.New("%s", pg.Message))
	case "55000":
		return connectors.As(connectors.Fatal, fault.PostgresSlotLost.New("%s", pg.Message))
	}
	return err
}

// Close stores the last position and ends the connection. Idempotent.
func (s *Source) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.disconnect(context.Background(), true)
}
