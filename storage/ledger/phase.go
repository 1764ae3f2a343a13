package ledger

// phase says in the debug log that a ledger enters a phase, and returns what says that it has left it. A kill between the two lines fell into the
// phase; `make crash` counts them.
func (c *Client) phase(name string, ledger int64) (ended func()) {
	c.log.Debug("phase begins", "phase", name, "ledger", ledger)
	return func() { c.log.Debug("phase ended", "phase", name, "ledger", ledger) }
}
