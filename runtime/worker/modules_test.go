package worker

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/runtime/functions"
)

func contentOf(data []byte) string { return fmt.Sprintf("%x", sha(data)) }

// TestDeletionDoesNotTakeTheModuleOfWhatIsBeingCreated: g is deleted in the moment in which f has uploaded the same bytes and its spec is not
// stored yet.
func TestDeletionDoesNotTakeTheModuleOfWhatIsBeingCreated(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		l := w.live(0, false)
		defer l.end()
		l.createFunction("g", "module")
		deleted := make(chan string, 1)
		w.putting = func(key string) {
			if key != specKey(functions.KindFunction, fName) {
				return
			}
			w.putting = nil
			go func() { deleted <- fmt.Sprint(l.call("DELETE", "functions/t/n/g", "", nil)) }()
			synctest.Wait()
			if got := <-deleted; got != "204" {
				t.Error("deletion:", got)
			}
		}
		if code, text := l.createFunction("f", "module"); code != http.StatusNoContent {
			t.Fatal(code, text)
		}
		synctest.Wait()
		spec, err := l.store.get(t.Context(), functions.KindFunction, fName)
		must(t, err)
		if _, err := l.o.Artifacts.Fetch(t.Context(), *spec.Artifact); err != nil {
			t.Error(err)
		}
		if l.launcher.get("t/n/f/0") == nil {
			t.Error("f does not run")
		}
	})
}

// TestModulesUnderFire: many create and delete functions of two contents at once. Whatever was created and not deleted has its module, and in
// the end nothing is left over.
func TestModulesUnderFire(t *testing.T) {
	w := newWorld(t)
	l := w.live(0, false)
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			name := fmt.Sprintf("f%d", g)
			for i := range 15 {
				module := fmt.Sprint("module", (g+i)%2)
				if code, text := l.createFunction(name, module); code != http.StatusNoContent {
					t.Errorf("create: %d %s", code, text)
					return
				}
				spec, err := l.store.get(t.Context(), functions.KindFunction, functions.FQName{Tenant: "t", Namespace: "n", Name: name})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := l.o.Artifacts.Fetch(t.Context(), *spec.Artifact); err != nil {
					t.Errorf("%s was created and: %v", name, err)
				}
				if code, text := l.call("DELETE", "functions/t/n/"+name, "", nil); code != http.StatusNoContent {
					t.Errorf("delete: %d %s", code, text)
					return
				}
			}
		})
	}
	wg.Wait()
	l.end()
	if len(w.copies) != 0 || len(l.modules.held) != 0 || len(l.modules.busy) != 0 {
		t.Errorf("left: modules %v, held %v, busy %v", w.copies, l.modules.held, l.modules.busy)
	}
}

// TestOrphansAreSweptAtTheStart: a crash between the module and the record of its function leaves a module that nobody will ever name.
func TestOrphansAreSweptAtTheStart(t *testing.T) {
	for step, name := range map[int]string{1: "before the module", 2: "between module and record"} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, w *world) {
				first := w.live(0, false)
				first.createFunction("g", "used")
				first.end()
				dying := w.live(step, false)
				if code, _ := dying.createFunction("f", "orphan"); code == http.StatusNoContent {
					t.Error("it did not die")
				}
				dying.end()
				if want := step; len(w.copies) != want {
					t.Fatalf("after the crash: %v", w.copies)
				}
				last := w.live(0, false)
				defer last.end()
				synctest.Wait()
				if _, used := w.copies[contentOf([]byte("used"))]; !used || len(w.copies) != 1 {
					t.Errorf("after the start: %v", w.copies)
				}
			})
		})
	}
}

// TestTheSweepLeavesUploadsAlone: one that is under way while the sweep looks is not an orphan.
func TestTheSweepLeavesUploadsAlone(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		l := w.live(0, false)
		defer l.end()
		synctest.Wait()
		w.stored = func() {
			w.stored = nil
			go func() {
				if err := l.modules.sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		l.createFunction("f", "module")
		synctest.Wait()
		if len(w.copies) != 1 || l.launcher.get("t/n/f/0") == nil {
			t.Errorf("modules %v, running %v", w.copies, l.launcher.keys())
		}
	})
}

// TestARefusedUpdateLeavesNoModule: what was uploaded for a change that was not made goes again; what a change replaced goes too.
func TestARefusedUpdateLeavesNoModule(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		l := w.live(0, false)
		defer l.end()
		l.createFunction("f", "one")
		w.stored = func() {
			w.stored = nil
			must(t, l.store.mark(t.Context(), functions.KindFunction, fName))
		}
		if code, text := l.call("PUT", "functions/t/n/f", `{}`, []byte("two")); code != http.StatusNotFound {
			t.Errorf("%d %s", code, text)
		}
		l.rec.look()
		must(t, l.settle(t.Context(), owner{functions.KindFunction, fName}))
		if len(w.copies) != 0 {
			t.Errorf("modules %v", w.copies)
		}
		l.createFunction("f", "one")
		if code, text := l.call("PUT", "functions/t/n/f", `{}`, []byte("two")); code != http.StatusNoContent {
			t.Errorf("%d %s", code, text)
		}
		if _, two := w.copies[contentOf([]byte("two"))]; !two || len(w.copies) != 1 {
			t.Errorf("modules %v", w.copies)
		}
	})
}
