// Package connectortest proves connectors against their contract, with faults. The kit plays the instance loop: it reads, delivers to a
// topic that it keeps in memory, acknowledges whole, in parts, late or never, and dies at every step in turn, taking with it all but what
// the connector had stored. Then it looks at the topic: nothing lost, the order of each key kept, the same number for the same
// record after every restart, and so nothing twice behind a broker that deduplicates.
//
// RunSource and RunSink are called from the connector's own tests; the external system is the real one, or as near as can be had.
package connectortest

import (
	"fmt"

	"github.com/strobemq/strobe/connectors"
)

// Row is one record as the external system holds it: the source must deliver Value as payload and Key as key. Values are unique.
type Row struct {
	Key   string
	Value string
}

// rows makes count rows that no earlier call made, spread over a few keys.
func (m *maker) rows(count int) []Row {
	list := make([]Row, count)
	for i := range list {
		m.made++
		list[i] = Row{Key: fmt.Sprintf("key-%d", m.made%5), Value: fmt.Sprintf(`{"n": %d}`, m.made)}
	}
	return list
}

type maker struct{ made int }

// env is what a connector under test is given.
func env(name string, store *Store, secret func(string) (string, error)) connectors.Env {
	return connectors.Env{Tenant: "public", Namespace: "default", Name: name, Checkpoints: store, Secret: secret}
}
