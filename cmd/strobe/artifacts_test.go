package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/wasm"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

var errCrash = errors.New("the process is dead")

// crashing lets changes of metadata and ledgers through up to a step, and none from there on: the process died there. With late the step itself
// still has its effect.
type crashing struct {
	steps, at int
	late      bool
}

func (c *crashing) step(do func() error) error {
	c.steps++
	if c.at > 0 && (c.steps > c.at || c.steps == c.at && !c.late) {
		return errCrash
	}
	if err := do(); err != nil || c.steps != c.at {
		return err
	}
	return errCrash
}

type crashingMeta struct {
	*memory.Store
	c *crashing
}

func (m crashingMeta) Put(ctx context.Context, key string, data []byte, expect meta.Version) (v meta.Version, err error) {
	return v, m.c.step(func() error { v, err = m.Store.Put(ctx, key, data, expect); return err })
}

func (m crashingMeta) Delete(ctx context.Context, key string, expect meta.Version) error {
	return m.c.step(func() error { return m.Store.Delete(ctx, key, expect) })
}

// crashingLedgers notes each ledger in the metadata, as the ledger client does.
type crashingLedgers struct {
	*storagetest.MemLedgers
	meta *memory.Store
	c    *crashing
}

func (l crashingLedgers) Create(ctx context.Context, o bk.CreateOptions) (w bk.Ledger, err error) {
	return w, l.c.step(func() error {
		if w, err = l.MemLedgers.Create(ctx, o); err != nil {
			return err
		}
		md := &bkwire.Metadata{Version: bkwire.MetadataVersion, Quorum: o.Quorum, State: bkwire.Open, Last: bk.NoEntry,
			Segments: []bkwire.Segment{{Bookies: []string{"b"}}}, Digest: o.Digest}
		md.SetCustom(o.Custom)
		_, err = l.meta.Put(ctx, bkwire.LedgerPath(w.ID()), md.Append(nil), meta.Absent)
		return err
	})
}

func (l crashingLedgers) Delete(ctx context.Context, id int64) error {
	return l.c.step(func() error {
		if err := l.meta.Delete(ctx, bkwire.LedgerPath(id), meta.Any); err != nil && !errors.Is(err, meta.ErrNotFound) {
			return err
		}
		return l.MemLedgers.Delete(ctx, id)
	})
}

// TestModulesSurviveACrashAtAnyStep dies at each change that an upload or a deletion makes. Afterwards either deleting what List names leaves
// nothing, or uploading again gives the module, whole, in the only ledger.
func TestModulesSurviveACrashAtAnyStep(t *testing.T) {
	module := bytes.Repeat([]byte("module"), chunkBytes/4) // two entries
	art := functions.Artifact{SHA256: wasm.Hash(module), Ledger: noLedger}
	quorum := bk.Quorum{Ensemble: 1, Write: 1, Ack: 1}
	for _, do := range []string{"upload", "delete"} {
		for _, then := range []string{"sweep", "upload again"} {
			for _, late := range []bool{false, true} {
				for at := 1; ; at++ {
					whole := false // the step was never reached: all of it was done
					t.Run(fmt.Sprintf("%s/%s/late=%t/%d", do, then, late, at), func(t *testing.T) {
						m := memory.New()
						defer m.Close()
						mem := storagetest.NewMemLedgers(t)
						dir := t.TempDir()
						live := func(at int) (*artifacts, *crashing) {
							c := &crashing{at: at, late: late}
							return &artifacts{meta: crashingMeta{m, c}, ledgers: crashingLedgers{mem, m, c}, quorum: quorum, dir: dir}, c
						}
						ctx := t.Context()
						other, _ := live(0)
						kept, err := other.Put(ctx, []byte("another"))
						ok(t, err)
						dying, c := live(at)
						if do == "upload" {
							_, err = dying.Put(ctx, module)
						} else {
							had, putErr := other.Put(ctx, module)
							ok(t, putErr)
							_, putErr = other.Fetch(ctx, had)
							ok(t, putErr)
							err = dying.Delete(ctx, had)
						}
						if whole = c.steps < at; whole != (err == nil) {
							t.Fatalf("after %d steps: %v", c.steps, err)
						}

						next, _ := live(0)
						if then == "sweep" {
							list, err := next.List(ctx)
							ok(t, err)
							for _, a := range list {
								if a != kept {
									ok(t, next.Delete(ctx, a))
								}
							}
							ok(t, next.Delete(ctx, art)) // what is gone is no error
							list, err = next.List(ctx)
							ok(t, err)
							if ids := mem.IDs(); len(ids) != 1 || ids[0] != kept.Ledger || len(list) != 1 {
								t.Errorf("left: ledgers %v, records %v", ids, list)
							}
							if files, _ := os.ReadDir(dir); len(files) != 0 {
								t.Errorf("left: %v", files)
							}
							return
						}
						a, err := next.Put(ctx, module)
						ok(t, err)
						path, err := next.Fetch(ctx, a)
						ok(t, err)
						if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, module) {
							t.Errorf("%d bytes, %v", len(data), err)
						}
						if ids := mem.IDs(); len(ids) != 2 {
							t.Errorf("ledgers %v, want the two modules'", ids)
						}
						if again, err := next.Put(ctx, module); err != nil || again != a {
							t.Errorf("a second upload: %+v %v, want %+v", again, err, a)
						}
					})
					if whole || t.Failed() {
						if at < 4 {
							t.Errorf("%s: only %d steps were seen", do, at-1)
						}
						break
					}
				}
			}
		}
	}
}

func FuzzDecodeArtifact(f *testing.F) {
	for _, s := range []string{
		`{"sha256":"00","size":1,"ledger":7}`, `{"sha256":"00","size":1,"ledger":-1,"state":"uploading","upload":"A"}`, `{"sha256":"00","size":1,"ledger":7,"state":"deleting"}`,
		`{"sha256":"00","size":1,"ledger":-1}`, `{"sha256":"00","size":1,"ledger":7,"format":2}`, `{"sha256":"00","state":"other"}`, `{`, ``, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeArtifact("00", data)
		if err != nil {
			return
		}
		if functions.RecordFormatOf(data) > functions.RecordFormat || r.SHA256 != "00" || r.State == artifactWhole && r.Ledger < 0 || r.Ledger == noLedger && r.Upload == "" {
			t.Fatalf("taken: %+v", r)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeArtifact("00", text); len(text) <= maxRecord && (err != nil || again != r) {
			t.Fatalf("%+v is read back as %+v, %v", r, again, err)
		}
	})
}
