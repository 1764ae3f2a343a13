package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta/memory"
)

var fName = functions.FQName{Tenant: "t", Namespace: "n", Name: "f"}

const fSubscription = "persistent://t/n/in t/n/f"

// TestDeletionComesToItsEndAfterACrashAtAnyStep kills the worker at each change that a deletion makes, before and after its effect; the
// next worker must leave nothing of the function, and let it be made again.
func TestDeletionComesToItsEndAfterACrashAtAnyStep(t *testing.T) {
	for _, late := range []bool{false, true} {
		for k := 1; ; k++ {
			steps := 0
			ok := t.Run(fmt.Sprintf("late=%t/%d", late, k), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, w *world) { steps = crashDelete(t, w, k, late) })
			})
			if !ok || k >= steps {
				if ok && steps < 5 {
					t.Errorf("a deletion is %d steps: the mark, the subscription, the position, the module and the record were expected", steps)
				}
				break
			}
		}
	}
}

// crashDelete dies at step k of a deletion, and says how many there are.
func crashDelete(t *testing.T, w *world, k int, late bool) (steps int) {
	first := w.live(0, false)
	if code, text := first.createFunction("f", "module"); code != http.StatusNoContent {
		t.Fatal(code, text)
	}
	must(t, first.SaveCheckpoint(t.Context(), functions.KindFunction, fName, 0, []byte("here")))
	w.subscriptions[fSubscription] = true
	first.end()

	second := w.live(k, late)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	err := second.delete(ctx, functions.KindFunction, fName)
	cancel()
	if err == nil && second.dead() && !late {
		t.Error("a deletion that died was answered")
	}
	if !second.dead() {
		steps = second.steps
	} else {
		steps = k + 1
	}
	second.end()

	third := w.live(0, false)
	defer third.end()
	time.Sleep(time.Minute)
	synctest.Wait()
	_, err = third.store.get(t.Context(), functions.KindFunction, fName)
	if k == 1 && !late { // it died before the mark: nothing was deleted, and nothing is half gone
		if err != nil || len(w.copies) != 1 || !w.subscriptions[fSubscription] || third.launcher.get("t/n/f/0") == nil {
			t.Errorf("a deletion that never began took something: %v, modules %v, subscriptions %v, running %v", err, w.copies, w.subscriptions, third.launcher.keys())
		}
		return steps
	}
	position, posErr := third.LoadCheckpoint(t.Context(), functions.KindFunction, fName, 0)
	if !fault.Has(err, fault.WorkerNotFound) || len(w.copies) != 0 || len(w.subscriptions) != 0 || position != nil || posErr != nil || len(third.launcher.starts) != 0 {
		t.Errorf("left: record %v, modules %v, subscriptions %v, position %q %v, %d starts", err, w.copies, w.subscriptions, position, posErr, len(third.launcher.starts))
	}
	if code, text := third.createFunction("f", "module"); code != http.StatusNoContent {
		t.Fatal(code, text)
	}
	synctest.Wait()
	if third.launcher.get("t/n/f/0") == nil {
		t.Error("what was made again does not run")
	}
	return steps
}

// TestCreateWaitsForTheDeletion: who deletes and creates at once gets what he asked for, and the new function loses nothing to the deletion of
// the old one.
func TestCreateWaitsForTheDeletion(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		l := w.live(0, false)
		defer l.end()
		l.createFunction("f", "module")
		synctest.Wait()
		old := l.launcher.get("t/n/f/0")
		old.stuck.Store(true)
		deleted, created := make(chan string, 1), make(chan string, 1)
		go func() { deleted <- fmt.Sprint(l.call("DELETE", "functions/t/n/f", "", nil)) }()
		synctest.Wait()
		go func() { created <- fmt.Sprint(l.createFunction("f", "module")) }()
		time.Sleep(drainTime / 2)
		synctest.Wait()
		if len(created) != 0 || len(deleted) != 0 {
			t.Fatal("answered while the old instance is running")
		}
		w.subscriptions[fSubscription] = true // that of the old one
		old.stuck.Store(false)
		if got := <-deleted; got != "204" {
			t.Error("deleted:", got)
		}
		if got := <-created; got != "204" {
			t.Error("created:", got)
		}
		if len(w.subscriptions) != 0 {
			t.Error("the new function reads on with the old one's subscription")
		}
		synctest.Wait()
		h := l.launcher.get("t/n/f/0")
		if h == nil || h == old || len(w.copies) != 1 {
			t.Errorf("running %v, modules %v", l.launcher.keys(), w.copies)
		}
		if got, err := l.store.get(t.Context(), functions.KindFunction, fName); err != nil || got.Generation != 1 || got.Deleting {
			t.Errorf("%+v %v", got, err)
		}
	})
}

// TestADeletionThatHangsIsSaid: an instance that does not stop keeps the name; everybody is told after a while, and the deletion goes on.
func TestADeletionThatHangsIsSaid(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		l := w.live(0, false)
		defer l.end()
		l.createFunction("f", "module")
		synctest.Wait()
		l.launcher.get("t/n/f/0").stuck.Store(true)
		began := time.Now()
		for _, try := range []func() (int, string){
			func() (int, string) { return l.call("DELETE", "functions/t/n/f", "", nil) },
			func() (int, string) { return l.createFunction("f", "module") },
		} {
			code, text := try()
			if a := errorOf(t, text); code != http.StatusConflict || a.Code != fault.WorkerDeleting.Code || a.Fix == "" || !strings.Contains(a.Reason, "t/n/f") {
				t.Errorf("%d %s", code, text)
			}
		}
		if d := time.Since(began); d != 2*settleTime {
			t.Errorf("it took %v to say so", d)
		}
		for _, c := range [][2]string{{"GET", ""}, {"PUT", ""}, {"POST", "/start"}, {"POST", "/restart"}, {"GET", "/logs"}, {"GET", "/parked"}, {"GET", "/download"}} {
			config := ""
			if c[0] == "PUT" {
				config = `{"inputs":["other"]}`
			}
			code, text := l.call(c[0], "functions/t/n/f"+c[1], config, nil)
			if a := errorOf(t, text); code != http.StatusNotFound || a.Code != fault.WorkerNotFound.Code || !strings.Contains(a.Reason, "deleted") {
				t.Errorf("%s %s: %d %s", c[0], c[1], code, text)
			}
		}
		if _, text := l.call("GET", "functions/t/n", "", nil); text != `["f"]` {
			t.Errorf("the list shows %s", text)
		}
		l.launcher.get("t/n/f/0").stuck.Store(false)
		time.Sleep(2 * drainTime)
		synctest.Wait()
		if code, text := l.call("GET", "functions/t/n", "", nil); text != "[]" {
			t.Errorf("it is not gone: %d %s", code, text)
		}
	})
}

// TestADeletionGoesOnWithoutATopicThatIsBroken: the subscription is tried several times and then left.
func TestADeletionGoesOnWithoutATopicThatIsBroken(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		tries := 0
		w.unsubscribe = func() error { tries++; return errors.New("the topic cannot be loaded") }
		l := w.live(0, false)
		defer l.end()
		l.createFunction("f", "module")
		synctest.Wait()
		began := time.Now()
		if code, text := l.call("DELETE", "functions/t/n/f", "", nil); code != http.StatusNoContent {
			t.Errorf("%d %s", code, text)
		}
		if tries != finishTries+1 || time.Since(began) > settleTime {
			t.Errorf("%d tries in %v", tries, time.Since(began))
		}
		if len(w.copies) != 0 {
			t.Errorf("modules %v", w.copies)
		}
	})
}

// TestASubscriptionThatAnotherFunctionUsesStays: two functions may share a subscription, and work is divided between them.
func TestASubscriptionThatAnotherFunctionUsesStays(t *testing.T) {
	inFakeTime(t, func(t *testing.T, w *world) {
		l := w.live(0, false)
		defer l.end()
		for _, name := range []string{"f", "g"} {
			if code, text := l.call("POST", "functions/t/n/"+name, `{"inputs":["in"],"subName":"both"}`, []byte("m")); code != http.StatusNoContent {
				t.Fatal(code, text)
			}
		}
		w.subscriptions["persistent://t/n/in both"] = true
		l.call("DELETE", "functions/t/n/f", "", nil)
		if len(w.subscriptions) != 1 || len(w.copies) != 1 {
			t.Errorf("g has lost its subscription or module: %v %v", w.subscriptions, w.copies)
		}
		l.call("DELETE", "functions/t/n/g", "", nil)
		if len(w.subscriptions) != 0 || len(w.copies) != 0 {
			t.Errorf("left: %v %v", w.subscriptions, w.copies)
		}
	})
}

// TestLives: what gets a name anew is another life, what is changed is not.
func TestLives(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := store{m}
	spec := functions.Spec{FQName: fName, Kind: functions.KindSource, Parallelism: 1}
	made := func() stored {
		t.Helper()
		must(t, s.create(t.Context(), spec))
		cur, err := s.get(t.Context(), functions.KindSource, fName)
		must(t, err)
		return cur
	}
	first := made()
	changed, err := s.change(t.Context(), functions.KindSource, fName, func(s *functions.Spec) error {
		s.Stopped = true
		return nil
	})
	must(t, err)
	if first.Life == "" || changed.Life != first.Life {
		t.Errorf("life %q, after a change %q", first.Life, changed.Life)
	}
	cur, err := s.get(t.Context(), functions.KindSource, fName)
	must(t, err)
	must(t, s.remove(t.Context(), cur))
	if second := made(); second.Life == first.Life {
		t.Errorf("two lives are called %q", first.Life)
	}
}
