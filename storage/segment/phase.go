package segment

import "log/slog"

// phase says in the debug log that the log enters a phase, and returns what says that it has left it. A kill between the two lines fell into the
// phase; `make crash` counts them.
func phase(log *slog.Logger, name string) (ended func()) {
	log.Debug("phase begins", "phase", name)
	return func() { log.Debug("phase ended", "phase", name) }
}

// A segment is rolling from the moment the next one is appended to until it is sealed.
func (l *Log) rolls(s *active) {
	l.o.Log.Debug("phase begins", "phase", "roll", "segment", s.generation)
}
func (l *Log) rolled(s *active) {
	l.o.Log.Debug("phase ended", "phase", "roll", "segment", s.generation)
}
