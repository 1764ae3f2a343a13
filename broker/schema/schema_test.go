package schema

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

func open(t *testing.T, m meta.Store, l bk.Ledgers) *Registry {
	t.Helper()
	r, err := Open(t.Context(), Options{Meta: m, Ledgers: l, Now: func() time.Time { return time.UnixMilli(1795304317246) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func setup(t *testing.T) (*Registry, *memory.Store, *storagetest.MemLedgers) {
	m := memory.New()
	t.Cleanup(func() { _ = m.Close() })
	l := storagetest.NewMemLedgers(t)
	return open(t, m, l), m, l
}

func name(t *testing.T, s string) topicname.Name {
	t.Helper()
	n, err := topicname.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFault(t *testing.T, err error, f *fault.Fault) {
	t.Helper()
	if !fault.Has(err, f) {
		t.Errorf("%v, want %s %s", err, f.Code, f.Title)
	}
}

var (
	doc  = Schema{Type: JSON, Data: []byte(`{"name":"doc","type":"record","fields":[{"name":"name","type":"string"}]}`), Properties: []Property{{"v", "1"}}}
	doc2 = Schema{Type: JSON, Data: []byte(`{"name":"doc","type":"record","fields":[{"name":"name","type":"string"},{"name":"n","type":["null","int"],"default":null}]}`)}
)

// golden are the bytes that Apache Pulsar 4.0.8 stored: entries by ledger, the locator as ledger -1.
func golden(t *testing.T) map[int64][]byte {
	t.Helper()
	f, err := os.Open("testdata/golden.jsonl")
	must(t, err)
	defer f.Close()
	all := map[int64][]byte{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var n struct {
			Ledger int64
			Path   string
			Hex    string
		}
		must(t, json.Unmarshal(lines.Bytes(), &n))
		if n.Path != "" {
			n.Ledger = -1
		}
		all[n.Ledger], err = hex.DecodeString(n.Hex)
		must(t, err)
	}
	return all
}

func TestGolden(t *testing.T) {
	g := golden(t)
	sum := func(s Schema) []byte { h := sha256.Sum256(s.Data); return h[:] }
	first := indexEntry{version: 0, ledger: 30, entry: 0, hash: sum(doc)}
	second := indexEntry{version: 1, ledger: 31, entry: 0, hash: sum(doc2)}
	placeholder := indexEntry{version: 0, ledger: -1, entry: -1, hash: sum(doc)}
	for what, c := range map[string]struct{ got, want []byte }{
		"locator": {locator{info: second, index: []indexEntry{first, second}}.encode(), g[-1]},
		"first entry": {encodeEntry(info{
			id: "public/golden/schema", stored: int32(JSON) + 1, data: doc.Data, timestamp: 1795304317246, props: doc.Properties,
		}, []indexEntry{placeholder}), g[30]},
		"second entry": {encodeEntry(info{
			id: "public/golden/schema", stored: int32(JSON) + 1, data: doc2.Data, timestamp: 1795304317304,
		}, []indexEntry{first}), g[31]},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s:\n%x, want\n%x", what, c.got, c.want)
		}
	}
	health, err := decodeEntry(g[1])
	if err != nil || health.stored != int32(String)+1 || health.id != "pulsar/127.0.0.1:14080/healthcheck" || len(health.data) != 0 {
		t.Errorf("%+v %v", health, err)
	}
	l, err := decodeLocator(g[-1])
	if d := cmp.Diff(locator{info: second, index: []indexEntry{first, second}}, l, cmp.AllowUnexported(locator{}, indexEntry{})); err != nil || d != "" {
		t.Error(err, d)
	}
}

// What a registry writes through ledgers and metadata is what Apache wrote, and what Apache wrote a registry reads.
func TestStoredAsApache(t *testing.T) {
	r, m, l := setup(t)
	n := name(t, "public/golden/schema").Of(2)
	v, err := r.Put(t.Context(), n, doc, "")
	if err != nil || v != 0 {
		t.Fatal(v, err)
	}
	ids := l.IDs()
	if len(ids) != 1 || !l.IsClosed(ids[0]) {
		t.Fatalf("ledgers %v", ids)
	}
	o, _ := l.Options(ids[0])
	want := map[string][]byte{"application": []byte("pulsar"), "component": []byte("schema"), "pulsar/schemaId": []byte("public/golden/schema")}
	if d := cmp.Diff(want, o.Custom); d != "" || o.Digest != bk.DigestCRC32C || len(o.Password) != 0 {
		t.Errorf("%+v %s", o, d)
	}
	ledger, err := l.Open(t.Context(), ids[0], false)
	must(t, err)
	entries, err := ledger.Read(t.Context(), 0, 0, 1<<20)
	if err != nil || !bytes.Equal(entries[0].Payload.B, golden(t)[30]) {
		t.Errorf("%x %v", entries[0].Payload.B, err)
	}
	entries[0].Payload.Release()

	// Apache's locator with two versions, over ledgers that hold its entries.
	g := golden(t)
	second, err := l.Create(t.Context(), bk.CreateOptions{Quorum: o.Quorum, Digest: o.Digest})
	must(t, err)
	done := make(added, 1)
	second.Add([]*bk.Add{{Body: bk.Bytes(g[31]), Done: done}})
	must(t, <-done)
	must(t, second.Close(t.Context()))
	apaches, err := decodeLocator(g[-1])
	must(t, err)
	apaches.index[0].ledger, apaches.index[1].ledger, apaches.info.ledger = ids[0], second.ID(), second.ID()
	_, err = m.Put(t.Context(), "/schemas/public/golden/schema", apaches.encode(), meta.Any)
	must(t, err)
	r = open(t, m, l)
	s, err := r.Get(t.Context(), n, NoVersion)
	if err != nil || s.Version != 1 || !bytes.Equal(s.Data, doc2.Data) || s.Type != JSON || s.Timestamp != 1795304317304 {
		t.Fatalf("%+v %v", s, err)
	}
	if s, err := r.Get(t.Context(), n, 0); err != nil || !bytes.Equal(s.Data, doc.Data) || !slices.Equal(s.Properties, doc.Properties) {
		t.Fatalf("%+v %v", s, err)
	}
	// An older version that is still alive is found again.
	if v, err := r.Put(t.Context(), n, doc, ""); err != nil || v != 0 {
		t.Fatal(v, err)
	}
	if v, err := r.Put(t.Context(), n, doc2, ""); err != nil || v != 1 {
		t.Fatal(v, err)
	}
}

func TestLife(t *testing.T) {
	r, m, l := setup(t)
	ctx := t.Context()
	n := name(t, "t")
	_, err := r.Get(ctx, n, NoVersion)
	wantFault(t, err, fault.SchemaNotFound)
	_, err = r.Delete(ctx, n, "")
	wantFault(t, err, fault.SchemaNotFound)
	_, err = r.Locations(ctx, n)
	wantFault(t, err, fault.SchemaNotFound)
	if all, err := r.List(ctx, n); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	for _, none := range []Type{None, AutoConsume} {
		if v, err := r.Put(ctx, n, Schema{Type: none}, ""); err != nil || v != NoVersion {
			t.Fatal(v, err)
		}
	}
	if len(l.IDs()) != 0 {
		t.Fatal("something was stored for no schema")
	}

	for range 2 {
		if v, err := r.Put(ctx, n, doc, "me"); err != nil || v != 0 {
			t.Fatal(v, err)
		}
	}
	for _, none := range []Type{None, AutoConsume} {
		if v, err := r.Put(ctx, n, Schema{Type: none}, ""); err != nil || v != 0 {
			t.Fatal(v, err)
		}
	}
	_, err = r.Put(ctx, n, doc2, "")
	wantFault(t, err, fault.SchemaIncompatible)
	_, err = r.Put(ctx, n, Schema{Type: Avro, Data: doc.Data}, "") // the same bytes as another type
	wantFault(t, err, fault.SchemaIncompatible)
	_, err = r.Get(ctx, n, 1)
	wantFault(t, err, fault.SchemaNotFound)
	if s, err := r.Get(ctx, n, 0); err != nil || s.User != "me" || s.Timestamp != 1795304317246 || s.Type != JSON {
		t.Fatalf("%+v %v", s, err)
	}

	if v, err := r.Delete(ctx, n, "me"); err != nil || v != 1 {
		t.Fatal(v, err)
	}
	for _, v := range []Version{NoVersion, 0, 1} {
		_, err = r.Get(ctx, n, v)
		wantFault(t, err, fault.SchemaNotFound)
	}
	_, err = r.Delete(ctx, n, "")
	wantFault(t, err, fault.SchemaNotFound)
	if v, err := r.Put(ctx, n, doc2, ""); err != nil || v != 2 {
		t.Fatal(v, err)
	}
	r = open(t, m, l) // after a restart
	all, err := r.List(ctx, n)
	if err != nil || len(all) != 1 || all[0].Version != 2 || !bytes.Equal(all[0].Data, doc2.Data) {
		t.Fatalf("%+v %v", all, err)
	}
	places, err := r.Locations(ctx, n)
	if err != nil || len(places) != 3 || places[1].Version != 1 || places[1].Entry != 0 {
		t.Fatalf("%+v %v", places, err)
	}
	must(t, r.Purge(ctx, n))
	must(t, r.Purge(ctx, n))
	if left, err := m.List(ctx, "/schemas"); err != nil || len(left) != 0 || len(l.IDs()) != 0 {
		t.Fatal(left, l.IDs(), err)
	}
	if v, err := r.Put(ctx, n, Schema{Type: String}, ""); err != nil || v != 0 {
		t.Fatal(v, err)
	}
	_, err = r.Put(ctx, n, Schema{Type: Int32}, "") // no data either: the same hash
	wantFault(t, err, fault.SchemaIncompatible)
}

func TestMalformed(t *testing.T) {
	r, m, l := setup(t)
	n := name(t, "t")
	for _, s := range []Schema{
		{Type: -1}, {Type: AutoConsume + 1}, {Type: JSON, Data: make([]byte, maxData+1)},
		{Type: JSON, Properties: []Property{{"k", string(make([]byte, maxData))}, {"l", ""}}},
	} {
		_, err := r.Put(t.Context(), n, s, "")
		wantFault(t, err, fault.SchemaMalformed)
	}
	if len(l.IDs()) != 0 {
		t.Fatal("something was stored")
	}
	_, err := m.Put(t.Context(), "/schemas/public/default/u", []byte{0x0a}, meta.Any)
	must(t, err)
	_, err = r.Get(t.Context(), name(t, "u"), NoVersion)
	wantFault(t, err, fault.SchemaMalformed)
}

// A thousand producers that connect at once with the same schema make one ledger, with different ones one of them wins.
func TestStorm(t *testing.T) {
	r, _, l := setup(t)
	n := name(t, "same")
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if v, err := r.Put(t.Context(), n.Of(i), doc, ""); err != nil || v != 0 {
				t.Error(v, err)
			}
		})
	}
	wg.Wait()
	if len(l.IDs()) != 1 {
		t.Fatalf("%d ledgers", len(l.IDs()))
	}
	var stored atomic.Int32
	for i := range 50 {
		wg.Go(func() {
			_, err := r.Put(t.Context(), name(t, "different"), Schema{Type: Avro, Data: fmt.Append(nil, i)}, "")
			switch {
			case err == nil:
				stored.Add(1)
			case !fault.Has(err, fault.SchemaIncompatible):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if stored.Load() != 1 || len(l.IDs()) != 2 {
		t.Fatalf("%d stored, %d ledgers", stored.Load(), len(l.IDs()))
	}
}

// Two brokers: what one stores the other sees through the watch, and they never store two first schemas.
func TestTwoRegistries(t *testing.T) {
	one, m, l := setup(t)
	two := open(t, m, l)
	n := name(t, "t")
	_, err := two.Get(t.Context(), n, NoVersion)
	wantFault(t, err, fault.SchemaNotFound)
	_, err = one.Put(t.Context(), n, doc, "")
	must(t, err)
	_, err = two.Put(t.Context(), n, doc2, "") // its cache may still say: none
	wantFault(t, err, fault.SchemaIncompatible)
	if len(l.IDs()) != 1 {
		t.Fatalf("%d ledgers: that of the refused schema was not deleted", len(l.IDs()))
	}
}

// flaky answers a put with ErrUnknown, after making the change or not.
type flaky struct {
	meta.Store
	answer func() (made bool, err error)
}

func (f *flaky) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	made, err := f.answer()
	if err == nil || made {
		if v, e := f.Store.Put(ctx, key, data, expect); err == nil || e != nil {
			return v, e
		}
	}
	return 0, err
}

func TestFailures(t *testing.T) {
	m := memory.New()
	defer m.Close()
	l := storagetest.NewMemLedgers(t)
	n := name(t, "t")
	made := true
	r := open(t, &flaky{m, func() (bool, error) { return made, meta.ErrUnknown }}, l)
	if v, err := r.Put(t.Context(), n, doc, ""); err != nil || v != 0 {
		t.Fatalf("an unknown answer of a change that was made: %d %v", v, err)
	}
	made = false
	if _, err := r.Put(t.Context(), name(t, "u"), doc, ""); !errors.Is(err, meta.ErrUnknown) {
		t.Fatalf("an unknown answer: %v", err)
	}
	if len(l.IDs()) != 2 {
		t.Fatal("a ledger was deleted that the metadata may know")
	}

	broken := errors.New("no bookie")
	for _, at := range []string{"create", "add", "close"} {
		l.Before = func(op storagetest.MemOp) error {
			if op.Name == at {
				return broken
			}
			return nil
		}
		r := open(t, m, l)
		if _, err := r.Put(t.Context(), name(t, at), doc, ""); !errors.Is(err, broken) {
			t.Fatalf("%s fails: %v", at, err)
		}
		if v, err := m.Get(t.Context(), "/schemas/public/default/"+at); !errors.Is(err, meta.ErrNotFound) {
			t.Fatalf("%s fails: %x %v", at, v.Data, err)
		}
	}
	l.Before = func(op storagetest.MemOp) error {
		if op.Name == "read" {
			return broken
		}
		return nil
	}
	_, err := open(t, m, l).Get(t.Context(), n, NoVersion)
	if !errors.Is(err, broken) || fault.Has(err, fault.SchemaMalformed) {
		t.Fatalf("a ledger that cannot be read now is not damaged: %v", err)
	}
	l.Before = nil
	// Something else in the ledger.
	other, err := l.Create(t.Context(), bk.CreateOptions{Quorum: bk.Quorum{Ensemble: 1, Write: 1, Ack: 1}})
	must(t, err)
	done := make(added, 1)
	other.Add([]*bk.Add{{Body: bk.Bytes([]byte("\xff")), Done: done}})
	must(t, <-done)
	must(t, other.Close(t.Context()))
	at := indexEntry{version: 0, ledger: other.ID(), entry: 0, hash: []byte("hash")}
	_, err = m.Put(t.Context(), "/schemas/public/default/other", locator{info: at, index: []indexEntry{at}}.encode(), meta.Any)
	must(t, err)
	_, err = open(t, m, l).Get(t.Context(), name(t, "other"), NoVersion)
	wantFault(t, err, fault.SchemaMalformed)
}

func TestVersionBytes(t *testing.T) {
	if b := Version(1).Bytes(); !bytes.Equal(b, []byte{0, 0, 0, 0, 0, 0, 0, 1}) || NoVersion.Bytes() != nil {
		t.Fatal(b)
	}
	for _, v := range []Version{NoVersion, 0, 1 << 40} {
		if got, err := ParseVersion(v.Bytes()); err != nil || got != v {
			t.Fatal(got, err)
		}
	}
	for _, b := range [][]byte{{1}, bytes.Repeat([]byte{255}, 8), make([]byte, 9)} {
		_, err := ParseVersion(b)
		wantFault(t, err, fault.SchemaNotFound)
	}
}

func TestTypes(t *testing.T) {
	for ty := None; ty <= AutoConsume; ty++ {
		if got, ok := ParseType(ty.String()); !ok || got != ty {
			t.Error(ty, got, ok)
		}
	}
	if _, ok := ParseType("TYPE_99"); ok || Type(99).String() != "TYPE_99" {
		t.Error("unknown types")
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	for i := range int64(100) {
		c.putSchema(i, &Schema{Data: make([]byte, maxData)})
		c.putSchema(i, &Schema{Data: make([]byte, maxData)})
	}
	if c.bytes > cachedBytes || c.bytes <= 0 || len(c.schemas) > cachedBytes/maxData {
		t.Fatalf("%d bytes, %d schemas", c.bytes, len(c.schemas))
	}
	for i := range cachedTopics + 10 {
		_, ticket := c.topic("")
		c.putTopic(fmt.Sprint(i), &topicSchemas{}, ticket)
	}
	if len(c.topics) > cachedTopics {
		t.Fatalf("%d topics", len(c.topics))
	}
	c.drop(schemasKey)
	if len(c.topics) != 0 {
		t.Fatal("a watch that lost events left topics")
	}
}

func FuzzLocator(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := decodeLocator(data)
		if err != nil {
			return
		}
		again, err := decodeLocator(l.encode())
		if d := cmp.Diff(l.encode(), again.encode()); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}

func FuzzEntry(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := decodeEntry(data)
		if err != nil {
			return
		}
		again, err := decodeEntry(encodeEntry(i, nil))
		if d := cmp.Diff(i.encode(), again.encode()); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}

func seeds(f *testing.F) {
	f.Add([]byte{})
	f.Add(locator{info: indexEntry{version: 1, ledger: 3, hash: []byte("hash")}, index: []indexEntry{{version: 1}}}.encode())
	f.Add(encodeEntry(info{id: "a/b/c", stored: 3, data: []byte("{}"), deleted: true, props: doc.Properties}, []indexEntry{{}}))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
}
