// Package postgrestest runs a real Postgres of the caller's own: for tests, the demo and benchmarks. It needs no container and no
// installed Postgres, works as root and as anybody else, and listens on 127.0.0.1 only.
//
// Where the binaries come from, first that fits: the directory in STROBE_POSTGRES_BIN; `postgres` 17 or newer on PATH; else version
// Version is fetched once into the user's cache directory (binaries.go).
//
// A server is initdb and postgres run directly; as root, in a user namespace that shows root as somebody else (user_linux.go). It
// dies with the process that started it, also when that one is killed (Linux).
package postgrestest

// Version is what is fetched when there is no Postgres on the machine.
const Version = "18.4.0"

// oldest is the oldest major version that is taken from PATH.
const oldest = 17

// TB is what New needs of a *testing.T.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
	TempDir() string
}

// New starts a server for a test and closes it at the test's end.
func New(t TB, settings map[string]string) *Server {
	t.Helper()
	s, err := Start(Options{Dir: t.TempDir(), Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
