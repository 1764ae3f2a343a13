package subscription

import (
	"testing"

	"github.com/strobemq/strobe/storage/managed"
)

// Every transcript runs twice: following the tail from the cache, and reading everything from disk. What consumers see is the same.
func TestDispatch(t *testing.T) {
	for _, c := range []struct {
		file   string
		limits Limits
	}{
		{"exclusive.txt", Limits{}},
		{"failover.txt", Limits{}},
		{"shared.txt", Limits{RoundRobin: 2}},
		{"shared_limits.txt", Limits{UnackedPerConsumer: 4, UnackedPerSubscription: 6}},
		{"shared_holes.txt", Limits{AckHoles: 2}},
		{"shared_chunks.txt", Limits{}},
		{"key_shared.txt", Limits{}},
		{"key_shared_sticky.txt", Limits{LookAhead: 3}},
		{"batches.txt", Limits{}},
		{"seek.txt", Limits{}},
		{"end.txt", Limits{}},
	} {
		for name, o := range map[string]managed.Options{"cache": {}, "disk": {CacheBytes: -1}} {
			t.Run(c.file+"/"+name, func(t *testing.T) {
				runTranscript(t, c.file, newScript(t, c.limits, o).run)
			})
		}
	}
}
