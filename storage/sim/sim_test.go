package sim

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

var (
	seeds = flag.Int("sim.seeds", 20, "how many histories TestSchedules plays")
	from  = flag.Uint64("sim.from", 0, "the seed of the first of them")
	only  = flag.Int64("sim.seed", -1, "play this seed alone, and print all that happens in it")
)

const (
	// stuckTime is how long one history may take by a real clock: what waits for a lock in fake time does so for ever.
	stuckTime = 3 * time.Minute
	// maxLogs is of how many failures the whole log is printed.
	maxLogs = 3
)

func TestMain(m *testing.M) {
	bk.PoisonSlabs(true)
	debug.SetTraceback("all")
	os.Exit(m.Run())
}

// TestSchedules plays random histories and judges them.
func TestSchedules(t *testing.T) {
	first, n, log := *from, *seeds, io.Writer(nil)
	if *only >= 0 {
		first, n, log = uint64(*only), 1, os.Stdout
	}
	began, failed, counts := time.Now(), 0, map[string]int64{}
	for seed := first; seed < first+uint64(n); seed++ {
		stuck := time.AfterFunc(stuckTime, func() { panic(fmt.Sprintf("seed %d stands still", seed)) })
		r := Play(t, seed, log)
		stuck.Stop()
		for k, v := range r.Counts {
			counts[k] += v
		}
		if len(r.Wrong) > 0 {
			t.Errorf("seed %d: %s\nagain: go test ./storage/sim -run TestSchedules -sim.seed %d", seed, strings.Join(r.Wrong, "\n"), seed)
			failed++
		}
		if *only >= 0 || len(r.Wrong) > 0 && failed <= maxLogs {
			t.Logf("seed %d: %s\n%s\n%v", seed, r.Plan, strings.Join(r.Log, "\n"), r.Counts)
		}
	}
	t.Logf("%d histories in %v, %d failed\n%s", n, time.Since(began).Round(time.Millisecond), failed, table(counts))
	if n >= 20 && *only < 0 {
		for _, k := range []string{"acknowledged entries", "owners fenced", "ensemble changes", "ledgers ended early", string(powerLoss), string(takeOver)} {
			if counts[k] == 0 {
				t.Errorf("%d histories without any: %s", n, k)
			}
		}
	}
}

// table is counts by name.
func table(counts map[string]int64) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s\t%d\t\n", k, counts[k])
	}
	w.Flush()
	return b.String()
}

// TestSamePlan: a seed always gives the same plan.
func TestSamePlan(t *testing.T) {
	for seed := range uint64(50) {
		if a, b := fmt.Sprintf("%+v", newPlan(seed)), fmt.Sprintf("%+v", newPlan(seed)); a != b {
			t.Fatalf("seed %d: %s and %s", seed, a, b)
		}
	}
}
