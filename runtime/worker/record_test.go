package worker

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta"
)

func sha(data []byte) []byte { s := sha256.Sum256(data); return s[:] }

// golden is a record as docs/format/functions.md shows it.
const golden = `{"tenant":"t","namespace":"n","name":"f","kind":"function","generation":3,"deleting":true,"parallelism":1,` +
	`"inputs":["persistent://t/n/in"],"subscription":"t/n/f","position":"latest",` +
	`"artifact":{"sha256":"00","size":1,"ledger":7},"guarantee":"at-least-once","maxAttempts":5,` +
	`"deadLetter":"persistent://t/n/f-DLQ","memoryBytes":1048576,"deadline":1000000000}`

func TestTheRecordIsTheOneThatIsDocumented(t *testing.T) {
	s, err := decodeSpec(owner{functions.KindFunction, fName}, []byte(golden))
	if err != nil || !s.Deleting || s.Generation != 3 {
		t.Fatalf("%+v %v", s, err)
	}
	if text, err := json.Marshal(s); err != nil || string(text) != golden {
		t.Errorf("written as\n%s %v, want\n%s", text, err, golden)
	}
}

func FuzzDecodeSpec(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"kind":"function","tenant":"t","namespace":"n","name":"f","generation":1,"parallelism":1000000000,"artifact":{}}`))
	f.Add([]byte(`{"kind":"source"}`))
	f.Add([]byte(`{"format":2,"kind":{"new":true}}`))
	f.Add([]byte(`null`))
	f.Add([]byte(``))
	o := owner{functions.KindFunction, fName}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSpec(o, data)
		if err != nil {
			if !fault.Has(err, fault.WorkerRecord) && !fault.Has(err, fault.WorkerFormat) {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if s.Kind != o.kind || s.FQName != o.name || s.Parallelism > maxInstances || s.Artifact == nil {
			t.Fatalf("taken: %+v", s)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeSpec(o, text); len(text) <= meta.MaxValue && (err != nil || !sameSpec(again, s)) {
			t.Fatalf("%+v is read back as %+v, %v", s, again, err)
		}
	})
}

// sameSpec compares what is written: an empty list is left out, as none is.
func sameSpec(a, b functions.Spec) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return reflect.DeepEqual(x, y)
}

// TestADamagedRecordStopsNothingElse: its own instances run on, others come and go, and no module is freed that it may name. The same holds of
// one that a later version wrote, which nobody may write over.
func TestADamagedRecordStopsNothingElse(t *testing.T) {
	for record, refusal := range map[string]*fault.Fault{
		`{"kind":`:                              fault.WorkerRecord,
		`{"format":2,"kind":{"new":true}}`:      fault.WorkerFormat,
		golden[:len(golden)-1] + `,"format":2}`: fault.WorkerFormat,
	} {
		inFakeTime(t, func(t *testing.T, w *world) {
			l := w.live(0, false)
			defer l.end()
			l.createFunction("f", "module")
			synctest.Wait()
			if _, err := w.meta.Put(t.Context(), specKey(functions.KindFunction, fName), []byte(record), meta.Any); err != nil {
				t.Fatal(err)
			}
			if code, text := l.createFunction("g", "other"); code != http.StatusNoContent {
				t.Fatal(code, text)
			}
			synctest.Wait()
			if l.launcher.get("t/n/f/0") == nil || l.launcher.get("t/n/g/0") == nil {
				t.Errorf("running: %v", l.launcher.keys())
			}
			for _, verb := range [][2]string{{"GET", "functions/t/n/f"}, {"POST", "functions/t/n/f/stop"}, {"DELETE", "functions/t/n/f"}} {
				code, text := l.call(verb[0], verb[1], "", nil)
				if a := errorOf(t, text); code != http.StatusInternalServerError || a.Code != refusal.Code {
					t.Errorf("%v: %d %s", verb, code, text)
				}
			}
			if v, err := w.meta.Get(t.Context(), specKey(functions.KindFunction, fName)); err != nil || string(v.Data) != record {
				t.Errorf("now %q, %v", v.Data, err)
			}
			if code, text := l.call("DELETE", "functions/t/n/g", "", nil); code != http.StatusNoContent {
				t.Error(code, text)
			}
			if err := l.modules.sweep(t.Context()); err != nil || len(w.copies) != 2 {
				t.Errorf("modules %v, %v", w.copies, err)
			}
		})
	}
}
