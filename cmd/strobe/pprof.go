package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
)

// Variables that name an address (host:port) at which a process serves Go's profiles; unset, as they are for users, nothing is served. They
// are how bench/ looks into a server, and have no place in strobe.yaml.
const (
	pprofAddress     = "STROBE_PPROF"      // of the server
	pprofHostAddress = "STROBE_PPROF_HOST" // of the child process that holds guests and connectors
)

// servePprof serves profiles for the rest of the process's life if the variable is set.
func servePprof(log *slog.Logger, variable string) {
	addr := os.Getenv(variable)
	if addr == "" {
		return
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Warn("profiles are not served", "variable", variable, "error", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	go func() { _ = http.Serve(l, mux) }() // ends with the process
}
