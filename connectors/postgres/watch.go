package postgres

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// watch looks after what the stream does not show, at every heartbeat on a connection of its own: a table that was taken out of the
// publication is silence and nothing else; a slot that holds back more and more WAL fills the server's disk. It also runs the heartbeat
// statement. That it cannot reach the server is the stream's to say.
type watch struct {
	source *Source
	shape  shape
	fail   func(error)
	conn   *pgconn.PgConn
	said   string // the last warning, so that it is not repeated

	cancel context.CancelFunc
	joined sync.WaitGroup
}

func newWatch(s *Source, sh shape, fail func(error)) *watch {
	return &watch{source: s, shape: sh, fail: fail}
}

func (w *watch) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.joined.Go(func() {
		ticker := time.NewTicker(w.source.config.heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				if w.conn != nil {
					closing, cancel := context.WithTimeout(context.Background(), time.Second)
					w.conn.Close(closing)
					cancel()
				}
				return
			case <-ticker.C:
				w.look(ctx)
			}
		}
	})
}

func (w *watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if w.conn == nil || w.conn.IsClosed() {
		conn, _, err := dial(ctx, w.source.config.server, w.source.env.Secret, false)
		if err != nil {
			return
		}
		w.conn = conn
	}
	if sql := w.source.config.heartbeatQuery; sql != "" {
		if _, err := query(ctx, w.conn, sql); err != nil && ctx.Err() == nil {
			w.warn(fault.PostgresServer.New("heartbeat.query: %w", err).Error())
		}
	}
	rows, err := query(ctx, w.conn, w.sql())
	if err != nil || len(rows) != 1 {
		return
	}
	w.judge(rows[0])
}

func (w *watch) sql() string {
	return fmt.Sprintf(`select (select count(*) from pg_publication where pubname = %[1]s), (select count(*) from pg_publication_tables where pubname = %[1]s and schemaname = %[2]s and tablename = %[3]s),
		pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint, wal_status from pg_replication_slots where slot_name = %[4]s`,
		literal(w.shape.Publication), literal(w.shape.Table.Schema), literal(w.shape.Table.Name), literal(w.source.config.slot))
}

func (w *watch) judge(row []*string) {
	there, holds, retained, status := row[0], row[1], row[2], row[3]
	switch {
	case there != nil && *there == "0":
		w.fail(connectors.As(connectors.BadConfig, fault.PostgresPublication.New("%s is gone", w.shape.Publication).WithFix("%s", createPublicationSQL(w.shape, false))))
	case holds != nil && *holds == "0":
		w.fail(connectors.As(connectors.BadConfig, fault.PostgresPublicationTable.New("%s no longer holds %s", w.shape.Publication, w.shape.Table).
			WithFix("ALTER PUBLICATION %s ADD TABLE %s;", identifier(w.shape.Publication), w.shape.Table.sql())))
	}
	if m := w.source.env.Metrics; m != nil && retained != nil {
		if bytes, err := strconv.ParseInt(*retained, 10, 64); err == nil {
			m.Gauge("slot_retained_bytes", float64(bytes))
		}
	}
	if status != nil && *status == "unreserved" {
		w.warn("the slot " + w.source.config.slot + " holds back more WAL than max_slot_wal_keep_size and will be lost at the next checkpoint of Postgres")
	}
}

func (w *watch) warn(text string) {
	if text != w.said {
		w.said = text
		w.source.log.Warn(text)
	}
}

func (w *watch) close() {
	w.cancel()
	w.joined.Wait()
}
