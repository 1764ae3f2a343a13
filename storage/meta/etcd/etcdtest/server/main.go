//go:build etcdserver

// Command server is the real etcd, built from its own module as a dependency: it has no binaries in a package registry, and
// `go install` refuses its replace directives. The module is nested so that the server's dependencies stay out of Strobe's.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
