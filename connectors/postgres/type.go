// Package postgres reads rows that an application inserts into an outbox table, through logical replication, and makes messages of them
// the way Debezium's outbox router does: topic from the aggregate type, key from the aggregate id, payload as it was written.
//
// The way of a row: framer (messages out of a buffer) -> decoder (pgoutput, in place) -> batch (copied once) -> Read. Its
// acknowledgement: batch -> tracker (how far is everything done) -> keeper (stored, then confirmed to Postgres).
//
// Before any of it, Connect gathers facts about server, table, publication and slot in one statement and judges them: what is missing
// and allowed is created, what would lose or double rows stops the source with the SQL that mends it. `check` is the same judgement.
//
// Every row has a number that is the same after every restart (checkpoint.go), by which the broker's deduplication drops what it
// has already.
package postgres

import (
	"context"
	"strings"

	"github.com/strobemq/strobe/connectors"
)

// Type is the connector.
var Type = connectors.Type{
	Name:      "postgres",
	Summary:   "Messages from a Postgres outbox table, by logical replication.",
	Options:   options,
	Guarantee: connectors.EffectivelyOnce,
	NewSource: NewSource,
	Check:     Check,
	Targets:   targets,
}

// targets is the pattern of the topics that rows go to, within the source's namespace unless it is a full name.
func targets(raw map[string]any) []string {
	v, _ := connectors.Decode(options, raw)
	return []string{strings.ReplaceAll(v.String("topic"), placeholder, "*")}
}

// Check logs in and tries everything the source will need, and leaves nothing behind: what would be created is created in a transaction
// that is rolled back, or as a temporary slot.
func Check(ctx context.Context, raw map[string]any, env connectors.Env) ([]connectors.Problem, error) {
	c, findings := readConfig(raw, env)
	if len(findings) > 0 {
		return connectors.Problems(findings), nil
	}
	findings, err := check(ctx, c, env)
	return connectors.Problems(findings), err
}
