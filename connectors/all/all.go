// Package all is every connector that is built into the strobe binary, one line each. A binary with fewer links its own list.
package all

import (
	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/postgres"
)

// Types is the table of connectors.
var Types = []connectors.Type{
	postgres.Type,
}
