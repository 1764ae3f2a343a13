// Package all is the connectors this program holds: one line each.
package all

import (
	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/postgres"
)

// Types are the connectors, by name.
var Types = []connectors.Type{
	postgres.Type,
}
