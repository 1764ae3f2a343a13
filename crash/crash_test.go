package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestReceiptsHoldForTwoRounds is the short form of `make crash`, without rows: their kills are in examples/outbox.
func TestReceiptsHoldForTwoRounds(t *testing.T) {
	if raceEnabled {
		t.Skip("reconnecting producers of the stock client race with themselves; make test runs this without the detector")
	}
	if testing.Short() {
		t.Skip("takes a quarter of a minute and ten processes")
	}
	t.Chdir("..")
	strobe := filepath.Join(t.TempDir(), "strobe")
	if out, err := exec.Command("go", "build", "-o", strobe, "./cmd/strobe").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ok, err := crash(t.Context(), options{strobe: strobe, dir: filepath.Join(t.TempDir(), "crash"), rounds: 2, every: 1, kinds: []string{bookie, broker, etcd, standalone}})
	if err != nil || !ok {
		t.Errorf("%v, %v: see what is printed above", ok, err)
	}
}
