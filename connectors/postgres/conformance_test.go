package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
)

// The kit's faults on a server of its own, which it also kills.
func TestSourceConforms(t *testing.T) {
	server := mortal.get(t)
	d := newDatabase(t, server)
	d.exec(outboxTable)
	connectortest.RunSource(t, connectortest.SourceSuite{
		Name: "conformance",
		New: func(env connectors.Env) (connectors.Source, error) {
			return NewSource(d.config(nil), env)
		},
		Write: func(ctx context.Context, rows []connectortest.Row) error {
			// A transaction of several rows, so that positions lie between rows too, and then one for each.
			conn, err := pgx.Connect(ctx, d.dsn())
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			insert := func(rows ...connectortest.Row) error {
				var values []string
				for _, r := range rows {
					values = append(values, fmt.Sprintf("('Kit', %s, %s)", literal(r.Key), literal(r.Value)))
				}
				_, err := conn.Exec(ctx, "insert into outboxevent (aggregatetype, aggregateid, payload) values "+strings.Join(values, ", "), pgx.QueryExecModeSimpleProtocol)
				return err
			}
			half := (len(rows) + 1) / 2
			if err := insert(rows[:half]...); err != nil {
				return err
			}
			for _, r := range rows[half:] {
				if err := insert(r); err != nil {
					return err
				}
			}
			return nil
		},
		Disturb: func() error {
			server.Kill()
			return server.Restart()
		},
		Elsewhere: func(context.Context) error {
			d.connect() // the last connection may have died with the server
			d.exec("create table if not exists elsewhere (n int)")
			d.exec("insert into elsewhere select generate_series(1, 100)")
			return nil
		},
		Secret:    d.secret,
		Guarantee: connectors.EffectivelyOnce,
	})
}
