package segment

import "github.com/strobemq/strobe/internal/fault"

// diskFull refuses entries until there is space again.
func (l *Log) diskFull(err error) error {
	f := fault.SegmentDiskFull.New("%s: %w", l.dir, err)
	l.state.set(func(s *state) { s.full = f })
	return f
}
