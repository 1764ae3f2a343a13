package managed

import "log/slog"

// phase says in the debug log that the managed ledger enters a phase, and returns what says that it has left it. A kill between the two lines fell
// into the phase; `make crash` counts them.
func (l *Ledger) phase(name string, args ...any) (ended func()) {
	if !l.m.log.Enabled(l.m.ctx, slog.LevelDebug) {
		return func() {}
	}
	log := l.m.log.With("ledger", l.name, "phase", name).With(args...)
	log.Debug("phase begins")
	return func() { log.Debug("phase ended") }
}
