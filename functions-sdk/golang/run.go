package strobe

// Run runs a handler on one message outside of a guest, with what a Context needs given by the caller: emit takes what the handler emits (topic is
// empty for the function's output), config its configuration, log its lines by level (0 debug to 3 error). It is what package
// strobetest is made of; use that one.
func Run(h Handler, m Message, emit func(topic string, m Message), config func(key string) (string, bool), log func(level uint32, text string)) error {
	ctx := &Context{emit: func(topic string, m Message) { emit(topic, m.clone()) }, config: config, log: log}
	return h(ctx, m)
}

// clone copies m with all it points to, as emitting does.
func (m *Message) clone() Message {
	c := *m
	c.Key, c.Payload = copyOf(m.Key), copyOf(m.Payload)
	if c.Null {
		c.Payload = nil
	}
	c.Properties = append(Properties(nil), m.Properties...)
	return c
}

func copyOf(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
