package bookie

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/vfs"
)

// at is the registration of a bookie that serves at a port of this machine.
func at(port int) bkwire.ServiceInfo {
	return bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint("here", port)}}
}

func get(t testing.TB, m meta.Store, key string) string {
	t.Helper()
	v, err := m.Get(ctx, key)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return string(v.Data)
}

// TestCopyOfAVolume: what is started on a copy while the bookie itself runs is refused, at another address too, and leaves nothing behind by
// which the bookie, started again, would believe that it had lost a part of its log.
func TestCopyOfAVolume(t *testing.T) {
	for name, spoil := range map[string]func(fs *vfs.Mem){
		"as it is":        func(*vfs.Mem) {},
		"without its log": func(fs *vfs.Mem) { _ = fs.Remove("/volume/log/0000000000000001.seg") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMeta(t, "instance")
				fs := vfs.NewMem()
				o := Options{Meta: m, FS: fs, ServiceInfo: at(1), Segment: segment.Options{SegmentBytes: 1 << 20}}
				b := openIn(t, "/volume", o)
				stored(t, m, b, 1, 2)
				time.Sleep(2 * time.Second)
				stored(t, m, b, 3) // the watermark is saved now
				synctest.Wait()
				mark := get(t, m, bkwire.WatermarkPath(b.ID()))

				elsewhere := o
				copied := fs.CrashClone(vfs.Crash{})
				spoil(copied)
				elsewhere.FS, elsewhere.ServiceInfo = copied, at(2)
				if _, err := Open(ctx, "/volume", elsewhere); !fault.Has(err, fault.BookieRegistered) || !strings.Contains(err.Error(), "here:1") {
					t.Errorf("a copy of a volume in use: %v", err)
				}
				if got := get(t, m, bkwire.WatermarkPath(b.ID())); got != mark {
					t.Errorf("the copy moved the watermark from %q to %q", mark, got)
				}
				if got := get(t, m, bkwire.AddressPath(b.ID())); got != "here:1\n" {
					t.Errorf("the bookie is said to be at %q", got)
				}
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				b = openIn(t, "/volume", o)
				if metrics, _ := b.LogMetrics(); metrics.Limbo {
					t.Error("the bookie believes that it lost a part of its log")
				}
				wantLast(t, b.Local(), 3, 0, ourKey, 0, bk.OK)
				b.Close()
			})
		})
	}
}

// TestEmptiedVolume: a bookie with a new id is born on it. It says whose place it seems to have; what is known of the old one stays.
func TestEmptiedVolume(t *testing.T) {
	m := newMeta(t, "instance")
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	first := openIn(t, "/volume", Options{Meta: m, FS: vfs.NewMem(), ServiceInfo: at(1), Log: log})
	other := openIn(t, "/volume", Options{Meta: m, FS: vfs.NewMem(), ServiceInfo: at(2), Log: log})
	stored(t, m, first, 7)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said.String(), fault.BookieReplaced.Code) {
		t.Errorf("before anything was lost: %s", &said)
	}
	second := openIn(t, "/volume", Options{Meta: m, FS: vfs.NewMem(), ServiceInfo: at(1), Log: log})
	if second.ID() == first.ID() {
		t.Fatal("an empty volume has the id of the lost one")
	}
	if n := strings.Count(said.String(), fault.BookieReplaced.Code); n != 1 || !strings.Contains(said.String(), "bookie "+first.ID()+" was at here:1") {
		t.Errorf("said %d times: %s", n, &said)
	}
	if strings.Contains(said.String(), other.ID()+" was") {
		t.Errorf("of a bookie that is elsewhere: %s", &said)
	}
	get(t, m, bkwire.CookiePath(first.ID()))
	wantLast(t, second.Local(), 7, 0, ourKey, -1, bk.ErrNoLedger)
}

// TestNewerCookie: a cookie of a later version is refused wherever it is, and not written over.
func TestNewerCookie(t *testing.T) {
	const newer = "6\nbookieHost: \"b\"\nwhoKnows: 1\n"
	m := newMeta(t, "instance")
	fs := vfs.NewMem()
	o := Options{Meta: m, FS: fs}
	b := openIn(t, "/volume", o)
	id := b.ID()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, m, bkwire.CookiePath(id), newer)
	if _, err := Open(ctx, "/volume", o); !fault.Has(err, fault.BookieFormat) {
		t.Errorf("in the metadata: %v", err)
	}
	if got := get(t, m, bkwire.CookiePath(id)); got != newer {
		t.Errorf("now %q", got)
	}
	if err := vfs.ReplaceFile(fs, "/volume/VERSION", []byte(newer)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, "/volume", o); !fault.Has(err, fault.BookieFormat) {
		t.Errorf("on the volume: %v", err)
	}
	if got, err := vfs.ReadFile(fs, "/volume/VERSION"); err != nil || string(got) != newer {
		t.Errorf("now %q, %v", got, err)
	}
}

// TestRegistrationTaken: a bookie whose session was lost and whose id another process has taken says so, and is not registered.
func TestRegistrationTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &sessions{Store: newMeta(t, "instance")}
		var said bytes.Buffer
		b, _, _ := joined(t, m, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
		if !b.Registered() {
			t.Error("a registered bookie says that it is not")
		}
		first := m.last
		first.Session.Close()
		thief, err := m.Store.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		info := at(9)
		if _, err := thief.PutEphemeral(ctx, bkwire.AvailablePath+"/b", info.Append(nil)); err != nil {
			t.Fatal(err)
		}
		close(first.lost)
		time.Sleep(5 * vanishTime)
		synctest.Wait()
		if b.Registered() {
			t.Error("two are registered")
		}
		if n := strings.Count(said.String(), fault.BookieRegistered.Code); n != 1 || !strings.Contains(said.String(), "here:9") {
			t.Errorf("said %d times: %s", n, &said)
		}
		thief.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		if !b.Registered() {
			t.Error("not registered again")
		}
	})
}
