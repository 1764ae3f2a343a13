// Command loop is the function that never ends: what others have to bear of it is measured.
package main

import strobe "github.com/strobemq/strobe/functions-sdk/golang"

func init() {
	strobe.Handle(func(*strobe.Context, strobe.Message) error {
		for {
			turns++
		}
	})
}

var turns uint64

func main() {}
