package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// identify asks which server this is.
func identify(ctx context.Context, conn *pgconn.PgConn) (identity, error) {
	r, err := pglogrepl.IdentifySystem(ctx, conn)
	return identity{system: r.SystemID, timeline: r.Timeline, flushed: r.XLogPos}, err
}

// switchPoint is where the server left the timeline old on its way to the present one; 0 when it was never on it.
func switchPoint(ctx context.Context, conn *pgconn.PgConn, present, old int32) (pglogrepl.LSN, error) {
	if present < 2 {
		return 0, nil // the first timeline has no history
	}
	h, err := pglogrepl.TimelineHistory(ctx, conn, present)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(h.Content)) { // "1\t0/3000110\tno recovery target specified"
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == strconv.Itoa(int(old)) {
			return parseLSN(fields[1])
		}
	}
	return 0, nil
}

// slotTimeout is how long the creation of a slot may wait for open transactions before the source says what it waits for.
var slotTimeout = 20 * time.Second

func setTimeout(ctx context.Context, conn *pgconn.PgConn, d time.Duration) error {
	_, err := query(ctx, conn, fmt.Sprintf("SET statement_timeout = %d", d.Milliseconds()))
	return err
}

// create makes what judge found missing and allowed.
func (s situation) create(ctx context.Context, conn *pgconn.PgConn, v verdict) error {
	if v.createPublication {
		if err := s.publish(ctx, conn); err != nil {
			return err
		}
	}
	if !v.createSlot {
		return nil
	}
	if err := setTimeout(ctx, conn, slotTimeout); err != nil {
		return err
	}
	if _, err := query(ctx, conn, s.createSlotSQL()); err != nil {
		return s.slotError(err)
	}
	return setTimeout(ctx, conn, 0)
}

func (s situation) publish(ctx context.Context, conn *pgconn.PgConn) error {
	sql := createPublicationSQL(s.shape, s.facts.Table.Kind == "p")
	_, err := query(ctx, conn, sql)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return connectors.As(connectors.NoPermission, fault.PostgresPublication.New("%s: %s", s.shape.Publication, pg.Message).WithFix("%s -- as owner of the table", sql))
	}
	return err
}

func (s situation) slotError(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "57014" {
		return connectors.As(connectors.Retry, fault.PostgresSlotWaits.New("%s was not made within %v", s.config.slot, slotTimeout))
	}
	return err
}
