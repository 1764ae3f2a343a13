package strobe_test

import (
	"bytes"
	"fmt"

	strobe "github.com/strobemq/strobe/functions-sdk/golang"
)

func shout(ctx *strobe.Context, m strobe.Message) error {
	if len(m.Payload) == 0 {
		return strobe.Reject("there is nothing to shout")
	}
	m.Payload = append(bytes.ToUpper(m.Payload), ctx.ConfigOr("mark", "!")...)
	ctx.Emit(m)
	if m.Key != nil {
		ctx.EmitTo("shouts-with-key", m)
	}
	return nil
}

// A function registers its handler in an init function; main is empty.
func ExampleHandle() {
	// func init() { strobe.Handle(shout) }
	// func main() {}

	// A test calls the handler; package strobetest makes that shorter.
	m := strobe.Message{Key: []byte("k"), Payload: []byte("hello")}
	emit := func(topic string, m strobe.Message) { fmt.Printf("%q %s\n", topic, m.Payload) }
	config := func(string) (string, bool) { return "", false }
	log := func(level uint32, text string) {}
	fmt.Println(strobe.Run(shout, m, emit, config, log))
	fmt.Println(strobe.Run(shout, strobe.Message{}, emit, config, log))
	// Output:
	// "" HELLO!
	// "shouts-with-key" HELLO!
	// <nil>
	// there is nothing to shout
}
