package strobe

// Context is what a handler can do beside returning. It is valid until the handler returns.
type Context struct {
	out    *reply                        // of a guest
	emit   func(topic string, m Message) // outside of one
	config func(key string) (string, bool)
	log    func(level uint32, text string)
}

// Emit publishes a message to the function's output topic, once the handler has returned nil. The message is copied at once: its slices
// may be changed afterwards. A function without an output topic rejects the message that made it emit.
func (c *Context) Emit(m Message) {
	if c.out == nil {
		c.emit("", m)
		return
	}
	c.out.emit("", &m)
}

// EmitTo publishes a message to a topic: a full name (persistent://tenant/namespace/name), or a bare name, which belongs to the
// function's namespace.
func (c *Context) EmitTo(topic string, m Message) {
	if c.out == nil {
		c.emit(topic, m)
		return
	}
	c.out.emit(topic, &m)
}

// Config returns the value that the function was deployed with for key (--config key=value), and whether it is set.
func (c *Context) Config(key string) (value string, ok bool) { return c.config(key) }

// ConfigOr is Config with a value for keys that are not set.
func (c *Context) ConfigOr(key, otherwise string) string {
	if v, ok := c.config(key); ok {
		return v
	}
	return otherwise
}

// Log is the function's log, read with `strobe functions logs`. What the function prints to its standard output and error goes
// there too. Lines are cut at 8 KiB, and a function that logs too fast loses lines and is told how many.
func (c *Context) Log() Log { return Log{c.log} }

// Log writes lines to the function's log.
type Log struct {
	write func(level uint32, text string)
}

// Debug logs a line that matters only when looking for a fault.
func (l Log) Debug(text string) { l.write(logDebug, text) }

// Info logs a line.
func (l Log) Info(text string) { l.write(logInfo, text) }

// Warn logs a line about something that somebody should look at.
func (l Log) Warn(text string) { l.write(logWarn, text) }

// Error logs a line about something that went wrong.
func (l Log) Error(text string) { l.write(logError, text) }
