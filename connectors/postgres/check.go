package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// check finds everything that is wrong with a valid configuration on the real server.
func check(ctx context.Context, c config, env connectors.Env) ([]connectors.Finding, error) {
	sit := situation{config: c, shape: c.shape}
	var findings []connectors.Finding
	conn, _, err := dial(ctx, c.server, env.Secret, true)
	if fault.Has(err, fault.PostgresReplicationRight) || fault.Has(err, fault.PostgresNoFreeSlot) {
		// All the rest can be seen without replication.
		findings = appendFinding(findings, "user", err)
		conn, _, err = dial(ctx, c.server, env.Secret, false)
	}
	if err != nil {
		return appendFinding(findings, "", err), nil
	}
	defer conn.Close(context.WithoutCancel(ctx))
	mayReplicate := len(findings) == 0
	if mayReplicate && env.Checkpoints != nil {
		s := &Source{config: c, env: env}
		if sit.last, err = s.load(ctx); err != nil {
			findings = appendFinding(findings, "", err)
		}
	}
	v, err := sit.lookWith(ctx, conn, mayReplicate)
	if err != nil {
		return appendFinding(findings, "", c.server.asError(err)), nil
	}
	for _, f := range append(v.blocking, v.advice...) {
		if sit.ownConnection(f) {
			continue
		}
		findings = append(findings, f)
	}
	return sit.try(ctx, conn, v, mayReplicate, findings), nil
}

func (s *situation) lookWith(ctx context.Context, conn *pgconn.PgConn, mayReplicate bool) (verdict, error) {
	if mayReplicate {
		return s.look(ctx, conn)
	}
	var err error
	if s.facts, err = gather(ctx, conn, s.shape, s.config.slot); err != nil {
		return verdict{}, err
	}
	return judge(*s), nil
}

// ownConnection tells that f is only the running source itself, which reads its slot as it should.
func (s *situation) ownConnection(f connectors.Finding) bool {
	return f.Err.Fault == fault.PostgresSlotActive && f.Class == connectors.Retry && s.facts.Slot.Application != ""
}

// try creates what would be created, and takes it back.
func (s *situation) try(ctx context.Context, conn *pgconn.PgConn, v verdict, mayReplicate bool, findings []connectors.Finding) []connectors.Finding {
	if v.createPublication {
		if err := s.tryPublication(ctx, conn); err != nil {
			findings = appendFinding(findings, "publication", s.config.server.asError(err))
		}
	}
	ready := mayReplicate && s.facts.WalLevel == "logical" && !s.facts.Standby && s.facts.Version >= minVersion && s.facts.Slots < s.facts.MaxSlots
	if v.createSlot && s.config.createSlot && ready {
		if err := s.trySlot(ctx, conn); err != nil {
			findings = appendFinding(findings, "slot", s.config.server.asError(err))
		}
	}
	return findings
}

func (s *situation) tryPublication(ctx context.Context, conn *pgconn.PgConn) error {
	if _, err := query(ctx, conn, "BEGIN; SET LOCAL lock_timeout = '2s'"); err != nil {
		return err
	}
	err := s.publish(ctx, conn)
	if _, rollback := query(ctx, conn, "ROLLBACK"); err == nil {
		err = rollback
	}
	return err
}

// trySlot makes a slot that lives as long as the connection.
func (s *situation) trySlot(ctx context.Context, conn *pgconn.PgConn) error {
	if err := setTimeout(ctx, conn, slotTimeout/4); err != nil {
		return err
	}
	name := literal(fmt.Sprintf("strobe_check_%d", conn.PID()))
	if _, err := query(ctx, conn, "SELECT pg_create_logical_replication_slot("+name+", 'pgoutput', true)"); err != nil {
		return s.slotError(err)
	}
	return nil
}

// appendFinding adds an error that is a fault with a class.
func appendFinding(list []connectors.Finding, path string, err error) []connectors.Finding {
	var f *fault.Error
	if !errors.As(err, &f) {
		f = fault.PostgresServer.New("%w", err)
	}
	return append(list, connectors.Finding{Class: connectors.ClassOf(err), Path: path, Err: f})
}
