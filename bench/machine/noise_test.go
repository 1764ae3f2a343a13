package machine

import (
	"math"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestShares(t *testing.T) {
	before := usage{total: 1000, busy: 500, steal: 10, own: 200, kernel: 50}
	after := usage{total: 1200, busy: 620, steal: 14, own: 260, kernel: 60}
	n := after.since(before)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"steal", n.Steal, 0.02}, {"own", n.Own, 0.3}, {"busy", n.Busy, 0.6}, {"foreign", n.Foreign, (120. - 4 - 60 - 10) / 200}} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
	if !n.Noisy() {
		t.Error("23 % foreign CPU is not noisy")
	}
	if (Noise{Known: true, Steal: 0.01, Foreign: 0.1}).Noisy() || (Noise{Steal: 1}).Noisy() {
		t.Error("a quiet slice, or an unknown one, is noisy")
	}
}

// A child that works is ours, not foreign, while it runs and when it is gone.
func TestDescendantsAreOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	before, ok := readUsage()
	if !ok {
		t.Fatal("no /proc/stat")
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done")
	if err := cmd.Run(); err != nil {
		t.Skip(err)
	}
	after, _ := readUsage()
	used := float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(time.Second) * ticks
	if got := after.own - before.own; got < used*0.8-2 {
		t.Errorf("%v ticks are ours, the child alone used %v", got, used)
	}
}

func TestOfThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if rss, err := RSS(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v", rss, err)
	}
	if _, err := Written(os.Getpid()); err != nil {
		t.Error(err)
	}
	begin := CPU(os.Getpid())
	for end := time.Now().Add(10 * time.Second); CPU(os.Getpid())-begin < 30*time.Millisecond; {
		if time.Now().After(end) {
			t.Fatal("ten seconds of work used no CPU")
		}
	}
}

func TestPacerIsNotEarly(t *testing.T) {
	p := NewPacer()
	defer p.Close()
	for range 20 {
		at := time.Now().Add(500 * time.Microsecond)
		p.Until(at)
		if time.Now().Before(at) {
			t.Fatal("early")
		}
	}
}
