// Echo emits what it gets: the smallest function, for measurements.
package main

import strobe "github.com/strobemq/strobe/functions-sdk/golang"

func init() {
	strobe.Handle(func(ctx *strobe.Context, m strobe.Message) error {
		ctx.Emit(m)
		return nil
	})
}

func main() {}
