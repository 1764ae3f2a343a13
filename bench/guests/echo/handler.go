// Command echo is the function that emits what it gets: what a function costs when it does nothing.
package main

import strobe "github.com/strobemq/strobe/functions-sdk/golang"

func init() {
	strobe.Handle(func(ctx *strobe.Context, m strobe.Message) error {
		ctx.Emit(m)
		return nil
	})
}

func main() {}
