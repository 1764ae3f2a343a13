package worker

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// However many swap at once, each swap that succeeds follows the one before; a deployment that is forgotten has forgotten its values too.
func TestSharedValuesAreSwapped(t *testing.T) {
	w := &Worker{store: store{memory.New()}}
	n := functions.FQName{Tenant: "t", Namespace: "n", Name: "f"}
	const key = "persistent://t/n/in-partition-0"
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			value, err := w.LoadShared(t.Context(), functions.KindFunction, n, key)
			for done := 0; done < 25 && err == nil; {
				var count, who int
				_, _ = fmt.Sscan(string(value), &count, &who) // the first finds nothing
				next := fmt.Append(nil, count+1, i)
				if value, err = w.SwapShared(t.Context(), functions.KindFunction, n, key, value, next); string(value) == string(next) {
					done++
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	value, err := w.LoadShared(t.Context(), functions.KindFunction, n, key)
	if count, _, _ := strings.Cut(string(value), " "); err != nil || count != "100" {
		t.Errorf("after 100 swaps: %q %v", value, err)
	}
	if err := w.store.forget(t.Context(), functions.KindFunction, n); err != nil {
		t.Fatal(err)
	}
	if value, err := w.LoadShared(t.Context(), functions.KindFunction, n, key); err != nil || value != nil {
		t.Errorf("after it was forgotten: %q %v", value, err)
	}
}
