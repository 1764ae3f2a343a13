package product

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestCluster kills a bookie and starts it again: it is the same one, where it was.
func TestCluster(t *testing.T) {
	program := filepath.Join(t.TempDir(), "strobe")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/strobe").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx := t.Context()
	c, err := StartCluster(ctx, ClusterOptions{Binary: program, Dir: t.TempDir(), Set: []string{"bookie.diskReserveMB=16"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Kill()
	if _, err := c.Brokers[0].Run(ctx, "produce", "hello", "-m", "world"); err != nil {
		t.Error(err)
	}
	was := c.Bookies[1]
	was.Kill()
	select {
	case <-was.Exited():
	default:
		t.Error("a killed process has not ended")
	}
	if c.Bookies[1], err = was.Again(ctx); err != nil {
		t.Fatal(err)
	}
	if now := c.Bookies[1]; now.ID != was.ID || now.Bookie != was.Bookie || now.PID == was.PID {
		t.Errorf("%+v came back as %+v", was, now)
	}
	if n, err := c.Brokers[0].Metric(ctx, "strobe_topics_loaded"); err != nil || n != 1 {
		t.Errorf("%v topics, %v", n, err)
	}
	if err := c.Brokers[0].Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Brokers[0].Resume(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
