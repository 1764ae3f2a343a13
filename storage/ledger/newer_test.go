package ledger

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// TestNewerMetadata: a ledger whose metadata a later version has written is refused, by its code, and stays as it is. Its neighbours are
// served, and the list of all ledgers names it.
func TestNewerMetadata(t *testing.T) {
	const newer = "BookieMetadataFormatVersion\t4\nwhatever"
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{})
		w, other := mustCreate(t, l, triple), mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		path := bkwire.LedgerPath(w.ID())
		if _, err := c.meta.Put(ctx, path, []byte(newer), meta.Any); err != nil {
			t.Fatal(err)
		}
		same := func(after string) {
			t.Helper()
			if v, err := c.meta.Get(ctx, path); err != nil || string(v.Data) != newer {
				t.Errorf("after %s: %q, %v", after, v.Data, err)
			}
		}
		// Its writer is still there, and wants to change what it does not understand any more.
		if err := w.Close(ctx); !fault.Has(err, fault.LedgerFormat) {
			t.Errorf("closing it: %v", err)
		}
		same("closing")
		for _, recover := range []bool{false, true} {
			if _, err := l.Open(ctx, w.ID(), recover); !fault.Has(err, fault.LedgerFormat) {
				t.Errorf("opening it: %v", err)
			}
			same("opening")
		}
		b := storagetest.NewAdder(t, other)
		added(t, other, b, texts("entry", 0, 3)...)
		var listed []bk.LedgerInfo
		if err := NewCatalog(c.meta).Ledgers(ctx, 0, func(l bk.LedgerInfo) (bool, error) {
			listed = append(listed, l)
			return true, nil
		}); err != nil || len(listed) != 2 || listed[0].Damaged == "" || listed[1].Damaged != "" {
			t.Errorf("%+v, %v", listed, err)
		}
		if _, err := NewCatalog(c.meta).Ledger(ctx, w.ID()); !fault.Has(err, fault.LedgerFormat) {
			t.Errorf("showing it: %v", err)
		}
	})
}

// TestInstance: a process that finds no cluster, or a layout it does not know, must not go on; a store without a layout is Pulsar's.
func TestInstance(t *testing.T) {
	m := memory.New()
	defer m.Close()
	put := func(key, value string) {
		t.Helper()
		if _, err := m.Put(ctx, key, []byte(value), meta.Any); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Instance(ctx, m); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("of an empty store: %v", err)
	}
	put(bkwire.InstancePath, "i")
	if id, err := Instance(ctx, m); err != nil || id != "i" {
		t.Errorf("without a layout: %q, %v", id, err)
	}
	put(bkwire.LayoutPath, bkwire.Layout)
	if id, err := Format(ctx, m); err != nil || id != "i" {
		t.Errorf("founding it again: %q, %v", id, err)
	}
	for _, layout := range []string{"3\nx:1", "2\norg.apache.bookkeeper.meta.LongHierarchicalLedgerManagerFactory:1"} {
		put(bkwire.LayoutPath, layout)
		if _, err := Instance(ctx, m); !fault.Has(err, fault.ClusterLayout) {
			t.Errorf("%q: %v", layout, err)
		}
		if _, err := Format(ctx, m); !fault.Has(err, fault.ClusterLayout) {
			t.Errorf("%q, founding: %v", layout, err)
		}
		if v, _ := m.Get(ctx, bkwire.LayoutPath); string(v.Data) != layout {
			t.Errorf("now %q", v.Data)
		}
	}
}
