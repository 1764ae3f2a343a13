package managed

// Stats are the figures of a Manager: those that grow count since the start.
type Stats struct {
	Open          int   // managed ledgers that are open
	CursorWrites  int64 // positions written
	CursorWaiting int   // cursors that wait for their turn to be written
	Cache         CacheStats
}

// Stats are the manager's figures now.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	open := len(m.open)
	m.mu.Unlock()
	waiting, writes := m.flusher.stats()
	return Stats{Open: open, CursorWrites: writes, CursorWaiting: waiting, Cache: m.cache.Stats()}
}
