package bookie

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

var ctx = context.Background()

// stamps is a volume that keeps its cookie in memory.
type stamps struct{ c *bkwire.Cookie }

func (s *stamps) stamp(c bkwire.Cookie) error {
	s.c = &c
	return nil
}

func newMeta(t testing.TB, instance string) *memory.Store {
	m := memory.New()
	t.Cleanup(func() { m.Close() })
	if instance != "" {
		put(t, m, bkwire.InstancePath, instance)
	}
	return m
}

func put(t testing.TB, m meta.Store, key, value string) {
	t.Helper()
	if _, err := m.Put(ctx, key, []byte(value), meta.Any); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, m meta.Store, key string) []string {
	t.Helper()
	names, err := m.List(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "readonly" })
}

// joined is a bookie in a cluster.
func joined(t testing.TB, m meta.Store, o Options) (*Bookie, *storagetest.MapStore, *stamps) {
	t.Helper()
	s := storagetest.NewMapStore(t)
	b := New("b", s, o)
	t.Cleanup(func() { b.Close() })
	o = o.withDefaults()
	o.Meta = m
	v := &stamps{}
	if err := b.join(ctx, v, nil, o); err != nil {
		t.Fatal(err)
	}
	return b, s, v
}

func TestCookies(t *testing.T) {
	ours := &bkwire.Cookie{BookieID: "b", JournalDir: "log", LedgerDirs: []string{"log"}, InstanceID: "i"}
	copied := &bkwire.Cookie{BookieID: "b", JournalDir: "elsewhere", LedgerDirs: []string{"log"}, InstanceID: "i"}
	for _, c := range []struct {
		name             string
		onVolume, inMeta *bkwire.Cookie
		instance         string
		empty            bool
		volume, meta     bool
		err              *fault.Fault
	}{
		{"first start", nil, nil, "i", true, true, true, nil},
		{"later start", ours, ours, "i", false, false, false, nil},
		{"first start that ended in the middle", ours, nil, "i", true, false, true, nil},
		{"no cluster", nil, nil, "", true, false, false, fault.BookieNoCluster},
		{"no cluster any more", ours, nil, "", false, false, false, fault.BookieNoCluster},
		{"another cluster", ours, nil, "j", false, false, false, fault.BookieForeign},
		{"metadata lost the cookie", ours, nil, "i", false, false, false, fault.BookieCookie},
		{"volume lost the cookie", nil, nil, "i", false, false, false, fault.BookieCookie},
		{"volume replaced", nil, ours, "i", true, false, false, fault.BookieCookie},
		{"volume copied", ours, copied, "i", false, false, false, fault.BookieCookie},
	} {
		volume, inMeta, err := checkCookies("b", c.onVolume, c.inMeta, c.instance, c.empty)
		if volume != c.volume || inMeta != c.meta || (err == nil) != (c.err == nil) || c.err != nil && !fault.Has(err, c.err) {
			t.Errorf("%s: stamp volume %t, metadata %t, error %v", c.name, volume, inMeta, err)
		}
	}
}

func TestJoin(t *testing.T) {
	m := newMeta(t, "instance")
	b, s, v := joined(t, m, Options{})
	if v.c == nil || v.c.InstanceID != "instance" || v.c.BookieID != "b" {
		t.Fatalf("the volume's cookie: %+v", v.c)
	}
	value, err := m.Get(ctx, bkwire.CookiePath("b"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := bkwire.DecodeCookie(value.Data); err != nil || !sameCookie(&c, v.c) {
		t.Errorf("the metadata's cookie: %+v, %v", c, err)
	}
	if got := list(t, m, bkwire.AvailablePath); !slices.Equal(got, []string{"b"}) {
		t.Errorf("registered: %v", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := list(t, m, bkwire.AvailablePath); len(got) > 0 {
		t.Errorf("still registered: %v", got)
	}

	// The same volume starts again; with another cluster's metadata it does not.
	again := New("b", s.Crash(t), Options{})
	t.Cleanup(func() { again.Close() })
	if err := again.join(ctx, v, v.c, Options{Meta: m}.withDefaults()); err != nil {
		t.Error(err)
	}
	stray := New("b", storagetest.NewMapStore(t), Options{})
	t.Cleanup(func() { stray.Close() })
	if err := stray.join(ctx, v, v.c, Options{Meta: newMeta(t, "other")}.withDefaults()); !fault.Has(err, fault.BookieForeign) {
		t.Error(err)
	}
}

// TestCookieAnswerLost: the metadata store takes the cookie and its answer is lost.
func TestCookieAnswerLost(t *testing.T) {
	m := &lostAnswers{Store: newMeta(t, "instance")}
	m.lose = true
	b := New("b", storagetest.NewMapStore(t), Options{})
	t.Cleanup(func() { b.Close() })
	if err := b.join(ctx, &stamps{}, nil, Options{Meta: m}.withDefaults()); err != nil {
		t.Error(err)
	}
}

type lostAnswers struct {
	*memory.Store
	lose bool
}

func (m *lostAnswers) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	v, err := m.Store.Put(ctx, key, data, expect)
	if m.lose {
		return 0, meta.ErrUnknown
	}
	return v, err
}

func TestReadOnlyRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeta(t, "instance")
		b, s, _ := joined(t, m, Options{})
		l := b.Local()
		s.SetReadOnly(errors.New("disk full"))
		a := newAnswers(t)
		a.add(l, entry(7, 0))
		synctest.Wait()
		if w, r := list(t, m, bkwire.AvailablePath), list(t, m, bkwire.ReadOnlyPath); len(w) != 0 || !slices.Equal(r, []string{"b"}) {
			t.Errorf("read-only, registered as writable %v, read-only %v", w, r)
		}
		s.SetReadOnly(nil)
		time.Sleep(2 * readOnlyPoll)
		synctest.Wait()
		if w, r := list(t, m, bkwire.AvailablePath), list(t, m, bkwire.ReadOnlyPath); len(r) != 0 || !slices.Equal(w, []string{"b"}) {
			t.Errorf("writable again, registered as writable %v, read-only %v", w, r)
		}
	})
}

func TestRegistrationWaitsForFormerLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeta(t, "instance")
		former, err := m.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := former.PutEphemeral(ctx, bkwire.AvailablePath+"/b", nil); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(vanishTime / 2)
			former.Close()
		}()
		b, _, v := joined(t, m, Options{})
		begin := time.Now()
		twin := New("b", storagetest.NewMapStore(t), Options{})
		t.Cleanup(func() { twin.Close() })
		if err := twin.join(ctx, v, v.c, Options{Meta: m}.withDefaults()); !fault.Has(err, fault.BookieRegistered) || time.Since(begin) < vanishTime {
			t.Errorf("a second bookie of the same id, after %v: %v", time.Since(begin), err)
		}
		_ = b
	})
}

// sessions hands out sessions that a test can end.
type sessions struct {
	*memory.Store
	last *endable
}

type endable struct {
	meta.Session
	lost chan struct{}
}

func (s *sessions) Session(ctx context.Context) (meta.Session, error) {
	x, err := s.Store.Session(ctx)
	if err != nil {
		return nil, err
	}
	s.last = &endable{x, make(chan struct{})}
	return s.last, nil
}

func (e *endable) Lost() <-chan struct{} { return e.lost }

func TestRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &sessions{Store: newMeta(t, "instance")}
		joined(t, m, Options{})
		first := m.last
		first.Session.Close()
		close(first.lost)
		synctest.Wait()
		if got := list(t, m, bkwire.AvailablePath); !slices.Equal(got, []string{"b"}) || m.last == first {
			t.Errorf("after a lost session registered: %v", got)
		}
	})
}

// stored puts one entry of each ledger into a bookie and its metadata node into m.
func stored(t testing.TB, m meta.Store, b *Bookie, ledgers ...int64) *Local {
	t.Helper()
	l := b.Local()
	a := newAnswers(t)
	for _, id := range ledgers {
		put(t, m, bkwire.LedgerPath(id), "node")
		a.add(l, entry(id, 0))
	}
	a.wait()
	return l
}

func held(b *Bookie) []int64 {
	var ids []int64
	b.store.Ledgers(func(id int64) bool {
		if !isGrave(id) {
			ids = append(ids, id)
		}
		return true
	})
	slices.Sort(ids)
	return ids
}

func TestCollects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeta(t, "instance")
		b, _, _ := joined(t, m, Options{})
		l := stored(t, m, b, 1, 2, 3, 1<<40)
		wantLast(t, l, 2, bk.FlagFence, ourKey, 0, bk.OK)
		for _, id := range []int64{2, 3, 1 << 40} {
			if err := m.Delete(ctx, bkwire.LedgerPath(id), meta.Any); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := held(b); !slices.Equal(got, []int64{1}) {
			t.Errorf("after deletions the bookie holds %v", got)
		}
		// A writer that slept through both is still told that it was fenced.
		a := newAnswers(t)
		a.add(l, entry(2, 1))
		a.wait()
		if got := a.codes(); got != "1:104 " {
			t.Error(got)
		}
		wantLast(t, l, 2, bk.FlagFence, ourKey, -1, bk.ErrNoLedger)
	})
}

// TestCollectsWhatItMissed: deletions before the start come out at the look through everything.
func TestCollectsWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeta(t, "instance")
		b, _, _ := joined(t, m, Options{})
		stored(t, m, b, 1, 3)
		a := newAnswers(t)
		a.add(b.Local(), entry(2, 0), entry(1<<40, 0)) // never had a node
		a.wait()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := held(b); !slices.Equal(got, []int64{1, 3}) {
			t.Errorf("the bookie holds %v", got)
		}
	})
}

// TestNeverCollectsFromAWrongRoot: a metadata store that lost everything is no reason to delete everything.
func TestNeverCollectsFromAWrongRoot(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, m meta.Store){
		"instance gone":  func(t *testing.T, m meta.Store) { _ = m.Delete(ctx, bkwire.InstancePath, meta.Any) },
		"other instance": func(t *testing.T, m meta.Store) { put(t, m, bkwire.InstancePath, "other") },
		"cookie gone":    func(t *testing.T, m meta.Store) { _ = m.Delete(ctx, bkwire.CookiePath("b"), meta.Any) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMeta(t, "instance")
				b, _, _ := joined(t, m, Options{})
				stored(t, m, b, 1, 2)
				spoil(t, m)
				for _, id := range []int64{1, 2} {
					if err := m.Delete(ctx, bkwire.LedgerPath(id), meta.Any); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := held(b); !slices.Equal(got, []int64{1, 2}) {
					t.Errorf("the bookie holds %v", got)
				}
			})
		})
	}
}

// TestReadsAgainBeforeCollecting: a list that does not show a ledger is not enough.
func TestReadsAgainBeforeCollecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &emptyLists{newMeta(t, "instance")}
		b, _, _ := joined(t, m, Options{})
		stored(t, m, b, 1, 2)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := held(b); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("the bookie holds %v", got)
		}
	})
}

type emptyLists struct{ *memory.Store }

func (m *emptyLists) List(context.Context, string) ([]string, error) { return nil, nil }

// TestRegistrationAtOwnAddress: nobody waits for the session of a former life to end, and its end takes nothing away.
func TestRegistrationAtOwnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeta(t, "instance")
		former, err := m.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		info := at(3181)
		if _, err := former.PutEphemeral(ctx, bkwire.AvailablePath+"/b", info.Append(nil)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		b, _, _ := joined(t, m, Options{ServiceInfo: info})
		if took := time.Since(begin); took > 0 {
			t.Errorf("registered after %v", took)
		}
		former.Close()
		if _, err := m.Get(ctx, bkwire.AvailablePath+"/b"); err != nil || !b.Registered() {
			t.Errorf("after the end of the former session: %v, registered %t", err, b.Registered())
		}
	})
}
