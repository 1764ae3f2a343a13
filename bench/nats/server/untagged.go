//go:build !natsserver

// Without the tag there is no server, so that `go test ./...` in this module does not compile it.
package main

import "log"

func main() { log.Fatal("build with -tags natsserver") }
