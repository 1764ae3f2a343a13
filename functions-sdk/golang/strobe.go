// Package strobe is the SDK for Strobe functions written in Go. A function is a package main that registers one handler in an init
// function (a WASM reactor has no main that runs):
//
//	func init() {
//		strobe.Handle(func(ctx *strobe.Context, m strobe.Message) error {
//			m.Payload = bytes.ToUpper(m.Payload)
//			ctx.Emit(m)
//			return nil
//		})
//	}
//
//	func main() {}
//
// It is built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o function.wasm .
//
// which `strobe functions build` does. The package also builds natively, so that a handler can be tested as any Go function; see package
// strobetest.
//
// A panic ends the instance: it is started anew and the messages of the call are tried again one by one.
package strobe

// Handler handles one message. What it emits is published only if it returns nil. An error made by Reject parks the message at once; any
// other error has it tried again later, up to the function's number of attempts, and parked then. Handlers are called one at a time.
type Handler func(ctx *Context, m Message) error

// Handle registers the function's handler; call it once, from an init function.
func Handle(h Handler) {
	if h == nil {
		panic("strobe: Handle(nil)")
	}
	if handler != nil {
		panic("strobe: Handle called twice")
	}
	handler = h
}

var handler Handler
