package sim

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/storage/bk"
)

// Result is what came of one history.
type Result struct {
	Wrong  []string         // promises that were broken
	Log    []string         // what happened, with the fake time
	Counts map[string]int64 // how often each kind of thing did
	Plan   string
}

// Play plays the history of a seed in fake time. log gets what the product's nodes log; nil: nothing.
//
// It must not run beside anything else that holds slabs: it judges that none are left.
func Play(t *testing.T, seed uint64, log io.Writer) Result {
	p := newPlan(seed)
	r := Result{Plan: fmt.Sprintf("%+v", *p)}
	held := bk.SlabBytesInUse()
	func() {
		defer func() {
			if p := recover(); p != nil { // goroutines that wait for nothing that will come
				stacks := make([]byte, 1<<20)
				r.Wrong = append(r.Wrong, fmt.Sprintf("%v\n%s", p, stacks[:runtime.Stack(stacks, true)]))
			}
		}()
		synctest.Test(t, func(t *testing.T) {
			c, err := newCluster(seed, p, log)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { r.Wrong, r.Log, r.Counts = c.h.wrong, c.h.log, c.h.counts }()
			c.run()
		})
	}()
	if left := bk.SlabBytesInUse() - held; left != 0 {
		r.Wrong = append(r.Wrong, fmt.Sprintf("%d bytes of slabs are held by nobody", left))
	}
	return r
}
