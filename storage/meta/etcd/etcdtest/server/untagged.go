//go:build !etcdserver

// Without the tag there is no server, so that `go test ./...` in this module does not compile etcd a second time, with other flags.
package main

import "log"

func main() { log.Fatal("build with -tags etcdserver") }
