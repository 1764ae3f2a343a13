package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/broker/auth"
	"github.com/strobemq/strobe/internal/fault"
)

// handler is everything served over HTTP.
func (n *node) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", n.broker.admin)
	mux.Handle("/admin/v3/", n.workers)
	mux.Handle("GET /metrics", n.metrics())
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.HandleFunc("GET /status.html", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("OK\n")) }) // Pulsar's load balancers ask here
	return n.guard(mux)
}

func alive(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) } // the client may be gone

// readyTime is how long metadata may take to answer who asks whether the node is ready.
const readyTime = 3 * time.Second

// readyz is ok when the process's own bookies take entries, so many of all do as an acknowledgement needs, and metadata answers.
func (n *node) readyz(w http.ResponseWriter, r *http.Request) {
	for _, b := range n.bookies {
		if err := b.ReadOnly(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	if have, need := len(n.registry.Writable()), n.quorum().Ack; have < need {
		http.Error(w, fmt.Sprintf("%d bookies take entries, the ack quorum is %d", have, need), http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if _, err := n.meta.List(ctx, "/admin"); err != nil {
		http.Error(w, fmt.Sprintf("metadata: %v", err), http.StatusServiceUnavailable)
		return
	}
	alive(w, r)
}

// guard refuses what a browser sends on behalf of a foreign page: without authentication the loopback address is no protection, because
// every page that the owner of this machine opens can send requests to it. A page of another origin shows in Origin; one that
// made its own name resolve to this address shows in Host.
func (n *node) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := n.foreign(r); err != nil {
			refuse(w, http.StatusForbidden, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with what is wrong, as the admin API does.
func refuse(w http.ResponseWriter, status int, err *fault.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"reason": err.Error(), "code": err.Code, "fix": err.FixText()}) // the client may be gone
}

func (n *node) foreign(r *http.Request) *fault.Error {
	if !n.ownHost(r.Host) {
		return fault.AdminOrigin.New("Host %.100q", r.Host)
	}
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(n.o.config.HTTP.Origins, origin) {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && u.Host == r.Host && u.Scheme == "http" {
		return nil
	}
	return fault.AdminOrigin.New("Origin %.100q", origin)
}

// ownHost takes addresses as numbers, which no page can make its own, and the names that are this server's.
func (n *node) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return net.ParseIP(host) != nil || host == "localhost" || host == n.o.advertise && host != "" || slices.Contains(n.o.config.HTTP.Hosts, host)
}

// authorizeREST judges a REST request.
func (b *brokerRole) authorizeREST(r *http.Request, action auth.Action, resource string) error {
	return b.auth.Allow(r.Context(), "", action, resource)
}
