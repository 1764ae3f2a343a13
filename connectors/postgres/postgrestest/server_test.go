package postgrestest

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func count(t *testing.T, s *Server) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "select count(*) from kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKillAndRestartKeepWhatWasCommitted(t *testing.T) {
	s := New(t, map[string]string{"max_connections": "15"})
	if err := s.Exec(t.Context(), "create table kept (id int)", "insert into kept select generate_series(1, 100)"); err != nil {
		t.Fatal(err)
	}
	dsn := s.DSN
	pids := append(children(s.process.pid), s.process.pid)
	if len(pids) < 4 {
		t.Fatalf("a cluster of %d processes", len(pids))
	}
	s.Kill()
	for _, pid := range pids {
		awaitEnd(t, pid)
	}
	if err := s.Exec(t.Context(), "select 1"); err == nil {
		t.Error("a killed server answers")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.DSN != dsn {
		t.Errorf("the address changed from %s to %s", dsn, s.DSN)
	}
	if n := count(t, s); n != 100 {
		t.Errorf("%d rows after kill -9, want 100", n)
	}
	s.Stop()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s); n != 100 {
		t.Errorf("%d rows after a stop, want 100", n)
	}
}

func TestStartSaysWhatPostgresSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := Start(Options{Dir: dir, Settings: map[string]string{"wal_level": "bogus"}})
	if err == nil || !strings.Contains(err.Error(), "bogus") {
		t.Errorf("error %v does not name the setting", err)
	}
}

// A test binary that is killed leaves no server behind.
func TestServerDiesWithItsStarter(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ties a child to its parent's life")
	}
	if os.Getenv("STROBE_POSTGRES_CHILD") != "" {
		s, err := Start(Options{Dir: os.Getenv("STROBE_POSTGRES_CHILD")})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("pid " + strconv.Itoa(s.process.pid) + "\n")
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerDiesWithItsStarter$")
	cmd.Env = append(os.Environ(), "STROBE_POSTGRES_CHILD="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	n, _ := out.Read(buf)
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(buf[:n]), "pid ")))
	if err != nil {
		t.Fatalf("child said %q", buf[:n])
	}
	if !running(pid) {
		t.Fatal("the server does not run")
	}
	cmd.Process.Kill()
	cmd.Wait()
	awaitEnd(t, pid)
}

// awaitEnd waits until process pid has let go of everything: a killed process is seen for an instant longer.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); running(pid); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("process %d still runs after ten seconds", pid)
		}
	}
}

// running tells whether pid is a process that is not a zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !os.IsNotExist(err)
	}
	return !strings.Contains(string(stat), ") Z ")
}
