package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options says how a server is set up.
type Options struct {
	// Dir holds the cluster (data), its log and the superuser's password. A cluster that is there already is started again. Empty: a
	// temporary directory that Close removes.
	Dir string
	// Port on 127.0.0.1; 0: a free one, kept over Restart.
	Port int
	// Settings are put on the server's command line. Set unless given: wal_level=logical, max_wal_senders and max_replication_slots=20.
	Settings map[string]string
	// Progress is told what takes long (fetching); nil: nobody.
	Progress io.Writer
}

// Server is one cluster. Its methods may be called from several goroutines, one at a time takes effect.
type Server struct {
	DSN      string // of the superuser, with password
	Port     int
	Password string // of the superuser, postgres
	Dir      string // holds data, the log and the password

	bin       string
	temporary bool
	settings  map[string]string
	log       *os.File

	mu      sync.Mutex
	process *process // nil: not running
}

// Start makes the cluster if there is none, starts it and returns when it accepts connections.
func Start(opts Options) (*Server, error) {
	if opts.Progress == nil {
		opts.Progress = io.Discard
	}
	bin, err := binaries(opts.Progress)
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, Dir: opts.Dir, settings: map[string]string{
		"wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20",
	}}
	maps.Copy(s.settings, opts.Settings)
	if s.Dir == "" {
		if s.Dir, err = os.MkdirTemp("", "strobe-postgres-"); err != nil {
			return nil, err
		}
		s.temporary = true
	}
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return nil, err
	}
	if err := s.open(opts.Port); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(port int) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	var err error
	if s.log, err = os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err != nil {
		if err := s.initdb(); err != nil {
			return err
		}
	}
	password, err := os.ReadFile(s.passwordFile())
	if err != nil {
		return err
	}
	s.Password = strings.TrimSpace(string(password))
	// A free port may be taken by somebody else before the server has it.
	for try := 0; ; try++ {
		s.Port = port
		if port == 0 {
			if s.Port, err = freePort(); err != nil {
				return err
			}
		}
		s.DSN = s.URL("postgres", s.Password, "postgres")
		err = s.Restart()
		if err == nil || port != 0 || try == 4 || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
}

func (s *Server) data() string         { return filepath.Join(s.Dir, "data") }
func (s *Server) passwordFile() string { return filepath.Join(s.Dir, "password") }

// initdb makes the cluster: password needed by everybody, UTF-8, collation C.
func (s *Server) initdb() error {
	if err := os.WriteFile(s.passwordFile(), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return err
	}
	if err := account().own(s.data()); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "--pwfile", s.passwordFile(),
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Dir = "/"
	attr := *account().attr
	cmd.SysProcAttr = &attr
	out, err := cmd.CombinedOutput()
	s.log.Write(out)
	if err != nil {
		os.RemoveAll(s.data())
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// URL is a connection string for one role and database.
func (s *Server) URL(user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), Path: database,
		RawQuery: "sslmode=disable"}
	return u.String()
}

// Exec runs statements as superuser, each in its own transaction, in the database postgres.
func (s *Server) Exec(ctx context.Context, statements ...string) error {
	return Exec(ctx, s.DSN, statements...)
}

// Exec runs statements on a connection of its own, each in its own transaction.
func Exec(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Restart stops the server if it runs, starts it on the same port and data, and returns when it accepts connections.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "logging_collector=off",
		"-c", "log_destination=stderr"}
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		args = append(args, "-c", name+"="+s.settings[name])
	}
	p, err := launch(filepath.Join(s.bin, "postgres"), args, s.log)
	if err != nil {
		return err
	}
	s.process = p
	select {
	case <-p.ready:
		return nil
	case <-p.gone:
		s.process = nil
		return fmt.Errorf("postgres ended at its start:\n%s", p.lastLines())
	case <-time.After(time.Minute):
		s.stopLocked()
		return errors.New("postgres was not ready after a minute:\n" + p.lastLines())
	}
}

// Set changes a setting of the command line from the next Restart on.
func (s *Server) Set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings[name] = value
}

// Kill is kill -9 of all the cluster's processes; it returns when they are gone. Restart recovers.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

// Stop shuts the server down without waiting for its clients; Restart starts it again.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
}

func (s *Server) stopLocked() {
	if s.process != nil {
		s.process.stop()
		s.process = nil
	}
}

// Close stops the server and removes its directory if that was temporary. Idempotent.
func (s *Server) Close() error {
	s.Stop()
	if s.log != nil {
		s.log.Close()
	}
	if s.temporary {
		return os.RemoveAll(s.Dir)
	}
	return nil
}
