package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/ledger"
)

// stage is a Conn whose peer is the test, in fake time.
type stage struct {
	t     *testing.T
	d     *Dialer
	c     ledger.BookieConn
	ends  chan net.Conn // the bookie's end of each connection
	mu    sync.Mutex
	down  bool
	dials []time.Duration // since the start
	began time.Time

	hellos int // AUTH requests that came
}

var errDown = errors.New("nobody listens")

func play(t *testing.T, o Options, f func(s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		held := bk.SlabBytesInUse()
		s := &stage{t: t, ends: make(chan net.Conn, 100), began: time.Now()}
		o.Dial = func(context.Context, string) (net.Conn, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.dials = append(s.dials, time.Since(s.began))
			if s.down {
				return nil, errDown
			}
			here, there := net.Pipe()
			s.ends <- there
			return here, nil
		}
		s.d = NewDialer(o)
		c, err := s.d.Dial("h:3181", bkwire.ServiceInfo{})
		if err != nil {
			t.Fatal(err)
		}
		s.c = c
		f(s)
		c.Close()
		if left := bk.SlabBytesInUse() - held; left != 0 {
			t.Errorf("%d bytes of slabs are left", left)
		}
		if m := s.d.Metrics(); m.Bookies != 0 || m.Connections != 0 || m.QueueBytes != 0 {
			t.Errorf("after Close: %+v", m)
		}
	})
}

// request is the next request on a connection. The first says whom it looks for.
func (s *stage) request(nc net.Conn) bkwire.Request {
	s.t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(nc, head); err != nil {
		s.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(nc, frame); err != nil {
		s.t.Fatal(err)
	}
	r, err := bkwire.DecodeRequest(frame)
	if err != nil {
		s.t.Fatal(err)
	}
	if r.Op == bkwire.OpAuth {
		if id, ok := bkwire.DecodeHello(frame); !ok || id != "h:3181" {
			s.t.Errorf("it looks for %q, %t", id, ok)
		}
		s.hellos++
		return s.request(nc)
	}
	return r
}

func (s *stage) requests(nc net.Conn, n int) (list []bkwire.Request) {
	s.t.Helper()
	for range n {
		list = append(list, s.request(nc))
	}
	return list
}

func answerAdd(code bk.Code, ledger, entry int64) []byte {
	return bkwire.AppendResponse(nil, 2, bkwire.OpAdd, code, ledger, entry, 0)
}

func answerRead(ledger, entry int64, stored string) []byte {
	return append(bkwire.AppendResponse(nil, 2, bkwire.OpRead, bk.OK, ledger, entry, len(stored)), stored...)
}

func (s *stage) send(nc net.Conn, frames ...[]byte) {
	s.t.Helper()
	for _, f := range frames {
		if _, err := nc.Write(f); err != nil {
			s.t.Fatal(err)
		}
	}
	synctest.Wait()
}

func (s *stage) want(a *answers, codes string) {
	s.t.Helper()
	synctest.Wait()
	if got := a.codes(); strings.TrimSpace(got) != codes {
		s.t.Errorf("told %q, want %q", got, codes)
	}
}

// TestOrder: answers that come out of order are told in the order of the adds, each once; what the bookie did not take is told at once.
func TestOrder(t *testing.T) {
	play(t, Options{}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, "a", "b", "c", "d", "e", "f")
		nc := <-s.ends
		s.requests(nc, 6)
		s.send(nc, answerAdd(bk.OK, 7, 2))
		s.want(a, "")
		s.send(nc, answerAdd(bk.ErrTooMany, 7, 3))
		s.want(a, "3:106")
		s.send(nc, answerAdd(bk.OK, 7, 1), answerAdd(bk.OK, 7, 0))
		s.want(a, "3:106 0:0 1:0 2:0")
		s.send(nc, answerAdd(bk.ErrTooMany, 7, 5))
		a.add(s.c, 0, 7, 6, "g") // behind the one that was last and is gone
		s.requests(nc, 1)
		s.send(nc, append(answerAdd(bk.ErrFenced, 7, 6), answerAdd(bk.OK, 7, 4)...))
		s.want(a, "3:106 0:0 1:0 2:0 5:106 4:0 6:104")
	})
}

// TestEqualRequests: adds and reads that are equal take one answer each.
func TestEqualRequests(t *testing.T) {
	play(t, Options{}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, "a")
		a.add(s.c, 0, 7, 0, "a")
		nc := <-s.ends
		s.requests(nc, 2)
		s.send(nc, answerAdd(bk.OK, 7, 0))
		s.want(a, "0:0")
		s.send(nc, answerAdd(bk.ErrFenced, 7, 0))
		s.want(a, "0:0 0:104")

		got := make(chan string, 3)
		read := func(ctx context.Context) {
			e, err := s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: 1, Last: 1})
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(e[0].Payload.B)
			e[0].Payload.Release()
		}
		short, cancel := context.WithCancel(ctx)
		go read(short)
		synctest.Wait()
		go read(ctx)
		synctest.Wait()
		go read(ctx)
		nc = <-s.ends
		s.requests(nc, 3)
		cancel() // the answer that comes first is for whoever asked first, who has gone
		if e := <-got; !strings.Contains(e, "canceled") {
			t.Error(e)
		}
		s.send(nc, answerRead(7, 1, "first"), answerRead(7, 1, "second"))
		if e := <-got; e != "second" {
			t.Error(e)
		}
		s.send(nc, answerRead(7, 1, "third"))
		if e := <-got; e != "third" {
			t.Error(e)
		}
	})
}

// TestHungBookie: one that takes everything, or nothing, and answers nothing, fails all it owes when the time is over, and not
// earlier; one that answers slowly does not. The next request connects again.
func TestHungBookie(t *testing.T) {
	for _, takes := range []bool{true, false} {
		play(t, Options{Timeout: 30 * time.Second}, func(s *stage) {
			a := newAnswers()
			a.add(s.c, 0, 7, 0, "a", strings.Repeat("b", 100_000))
			var read error
			go func() {
				_, read = s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: 1, Last: 1})
			}()
			synctest.Wait()
			conns := []net.Conn{<-s.ends, <-s.ends}
			if takes {
				for _, nc := range conns {
					go io.Copy(io.Discard, nc)
				}
			}
			time.Sleep(29 * time.Second)
			s.want(a, "")
			a.add(s.c, 0, 7, 2, "c")
			time.Sleep(1001 * time.Millisecond)
			s.want(a, "0:201 1:201 2:201")
			if !errors.Is(read, bk.ErrTimeout) {
				t.Error(read)
			}
			a.add(s.c, 0, 7, 3, "d") // right after it, nothing is tried
			s.want(a, "0:201 1:201 2:201 3:202")
			time.Sleep(firstPause)
			a.add(s.c, 0, 7, 4, "e")
			nc := <-s.ends
			s.request(nc)
			for range 5 { // slow, but alive
				time.Sleep(29 * time.Second)
				s.send(nc, answerAdd(bk.OK, 7, 4))
				a.add(s.c, 0, 7, 4, "e")
				s.request(nc)
			}
			time.Sleep(time.Hour)
			s.want(a, "0:201 1:201 2:201 3:202 4:0 4:0 4:0 4:0 4:0 4:201")
		})
	}
}

// TestIdleBookie: one that owes nothing is not given up, and the clock starts with the next request.
func TestIdleBookie(t *testing.T) {
	play(t, Options{Timeout: 30 * time.Second}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, "a")
		nc := <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 0))
		time.Sleep(29900 * time.Millisecond)
		a.add(s.c, 0, 7, 1, "b")
		s.request(nc)
		time.Sleep(29 * time.Second)
		s.send(nc, answerAdd(bk.OK, 7, 1))
		time.Sleep(24 * time.Hour)
		a.add(s.c, 0, 7, 2, "c")
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 2))
		s.want(a, "0:0 1:0 2:0")
		if m := s.d.Metrics(); m.Dials != 1 || m.Hung != 0 {
			t.Errorf("%+v", m)
		}
	})
}

// TestCutAtEveryByte: of answers that end anywhere, whole ones count; the rest fails; each add is told once.
func TestCutAtEveryByte(t *testing.T) {
	var all []byte
	for i := range int64(3) {
		all = append(all, answerAdd(bk.OK, 7, i)...)
	}
	one := len(all) / 3
	for cut := range len(all) + 1 {
		play(t, Options{}, func(s *stage) {
			a := newAnswers()
			a.add(s.c, 0, 7, 0, "a", "b", "c")
			nc := <-s.ends
			s.requests(nc, 3)
			s.send(nc, all[:cut])
			nc.Close()
			want := ""
			for i := range 3 {
				if cut >= (i+1)*one {
					want += string(rune('0'+i)) + ":0 "
				} else {
					want += string(rune('0'+i)) + ":202 "
				}
			}
			s.want(a, strings.TrimSpace(want))
		})
	}
}

// TestUnreachable: while nobody listens adds and reads fail at once, and attempts to connect get rarer; then all is well again.
func TestUnreachable(t *testing.T) {
	play(t, Options{MaxPause: time.Second}, func(s *stage) {
		s.down = true
		a := newAnswers()
		for range 1000 {
			a.add(s.c, 0, 7, 0, "a")
			if _, err := s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: 1, Last: 1}); !errors.Is(err, bk.ErrUnavailable) {
				t.Error(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if got := a.wait(); got != strings.Repeat("0:202 ", 1000) {
			t.Error(got)
		}
		// 20 + 40 + … + 640 ms, then every second, on two connections.
		if n := len(s.dials); n < 28 || n > 34 {
			t.Errorf("%d attempts in 10 s: %v", n, s.dials)
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		time.Sleep(time.Second)
		b := newAnswers()
		b.add(s.c, 0, 7, 0, "a")
		nc := <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 0))
		s.want(b, "0:0")
		// A connection that was of use is made again without a pause.
		nc.Close()
		synctest.Wait()
		b.add(s.c, 0, 7, 1, "b")
		nc = <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 1))
		s.want(b, "0:0 1:0")
	})
}

// TestCaps: above the cap adds are turned away at once, however long the bookie takes; a single one is taken whatever its size,
// but not above that of a frame.
func TestCaps(t *testing.T) {
	play(t, Options{QueueBytes: 1000, MaxFrame: 5000}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, strings.Repeat("a", 2000), "b")
		s.want(a, "1:106")
		if m := s.d.Metrics(); m.QueueBytes != 2036 || m.TooMany != 1 {
			t.Errorf("%+v", m)
		}
		a.add(s.c, 0, 7, 2, strings.Repeat("c", 5000))
		s.want(a, "1:106") // in its turn
		nc := <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 0))
		s.want(a, "1:106 0:0 2:210")
		a.add(s.c, 0, 7, 3, strings.Repeat("c", 5000))
		a.add(s.c, 0, 7, 4, strings.Repeat("d", 5000-24-36))
		s.want(a, "1:106 0:0 2:210 3:210")
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 4))
		s.want(a, "1:106 0:0 2:210 3:210 4:0")
	})
}

// TestNonsense ends the connection: what was asked fails, nothing is believed.
func TestNonsense(t *testing.T) {
	for name, bad := range map[string][]byte{
		"an add that was not sent": answerAdd(bk.OK, 7, 5),
		"another ledger":           answerAdd(bk.OK, 8, 0),
		"a read that was not sent": answerRead(7, 0, "x"),
		"too long":                 {0x7f, 0, 0, 0},
		"too short":                {0, 0, 0, 1},
		"cut":                      {0, 0, 0, 4, 2, 1, 0, 0},
		"version 3":                {0, 0, 0, 4, 0x0a, 0x02, 0x08, 0x03},
		"authentication twice":     append(bkwire.AppendAuthDisabled(nil, 2), bkwire.AppendAuthDisabled(nil, 2)...),
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			play(t, Options{Log: slog.New(slog.NewTextHandler(&said, nil))}, func(s *stage) {
				a := newAnswers()
				a.add(s.c, 0, 7, 0, "a", "b")
				nc := <-s.ends
				s.requests(nc, 2)
				s.send(nc, append(answerAdd(bk.OK, 7, 0), bad...))
				s.want(a, "0:0 1:202")
				if n := s.d.Metrics().Broken; n != 1 {
					t.Errorf("counted %d times", n)
				}
			})
			if strings.Count(said.String(), fault.LedgerBookieAnswer.Code) != 1 {
				t.Errorf("the log says %s", &said)
			}
		})
	}
}

// TestHello: each connection begins by saying whom it looks for, and an answer to that is nothing.
func TestHello(t *testing.T) {
	play(t, Options{}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, "a")
		nc := <-s.ends
		s.request(nc)
		s.send(nc, bkwire.AppendAuthDisabled(nil, 2), answerAdd(bk.OK, 7, 0))
		s.want(a, "0:0")
		nc.Close()
		synctest.Wait()
		a.add(s.c, 0, 7, 1, "b")
		nc = <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 1)) // a bookie that does not answer it is none the worse
		s.want(a, "0:0 1:0")
		if s.hellos != 2 {
			t.Errorf("said %d times on two connections", s.hellos)
		}
	})
}

// TestNonsenseUnasked: what a bookie says although it owes nothing is told too, and the next request goes over a new connection.
func TestNonsenseUnasked(t *testing.T) {
	var said bytes.Buffer
	play(t, Options{Log: slog.New(slog.NewTextHandler(&said, nil))}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, "a")
		nc := <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 0))
		s.want(a, "0:0")
		s.send(nc, answerAdd(bk.OK, 7, 0))
		synctest.Wait()
		a.add(s.c, 0, 7, 1, "b")
		nc = <-s.ends
		s.request(nc)
		s.send(nc, answerAdd(bk.OK, 7, 1))
		s.want(a, "0:0 1:0")
	})
	if strings.Count(said.String(), fault.LedgerBookieAnswer.Code) != 1 {
		t.Errorf("the log says %s", &said)
	}
}

// TestBatch reads a range at once, and one by one where the bookie does not know how.
func TestBatch(t *testing.T) {
	as, bs := strings.Repeat("a", 40), strings.Repeat("b", 40)
	for name, answer := range map[string]func(s *stage, nc net.Conn, r bkwire.Request) net.Conn{
		"batch": func(s *stage, nc net.Conn, r bkwire.Request) net.Conn {
			b := bkwire.AppendBatchResponse(nil, 2, bk.OK, r.Ledger, r.Entry, r.ID, 2, 80)
			b = append(bkwire.AppendBatchEntry(b, 40), as...)
			s.send(nc, append(bkwire.AppendBatchEntry(b, 40), bs...))
			return nil
		},
		"refused": func(s *stage, nc net.Conn, r bkwire.Request) net.Conn {
			s.send(nc, bkwire.AppendBatchResponse(nil, 2, bk.ErrBadRequest, r.Ledger, r.Entry, r.ID, 0, 0))
			return nc
		},
		"closed": func(s *stage, nc net.Conn, r bkwire.Request) net.Conn {
			nc.Close()
			return <-s.ends
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, Options{}, func(s *stage) {
				for again := range 2 {
					var entries []bk.Entry
					var err error
					done := make(chan struct{})
					go func() {
						entries, err = s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: 3, Last: 9, MaxBytes: 100})
						close(done)
					}()
					synctest.Wait()
					if again == 0 {
						nc := <-s.ends
						r := s.request(nc)
						if r.Op != bkwire.OpBatchRead || r.MaxCount != 4 || r.MaxBytes != 36+4*4+100 {
							t.Fatalf("%+v", r)
						}
						nc = answer(s, nc, r)
						if nc != nil {
							s.ends <- nc
						}
					}
					if name != "batch" {
						nc := <-s.ends
						for _, r := range s.requests(nc, 7) {
							stored := map[int64]string{3: as, 4: bs, 5: as}[r.Entry]
							if stored == "" {
								s.send(nc, bkwire.AppendResponse(nil, 2, bkwire.OpRead, bk.ErrNoEntry, 7, r.Entry, 0))
							} else {
								s.send(nc, answerRead(7, r.Entry, stored))
							}
						}
						s.ends <- nc
					}
					<-done
					if err != nil || len(entries) != 2 || string(entries[0].Payload.B) != as || string(entries[1].Payload.B) != bs || entries[1].Entry != 4 {
						t.Errorf("%+v, %v", entries, err)
					}
					release(entries)
					if name == "batch" {
						break
					}
				}
			})
		})
	}
}

// TestRecoveryApart: what fences, and what passes a fence, has a connection of its own, so that no answer to an ordinary
// request can be taken for one to it.
func TestRecoveryApart(t *testing.T) {
	play(t, Options{}, func(s *stage) {
		go s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: bk.NoEntry, Last: bk.NoEntry})
		synctest.Wait()
		plain := <-s.ends
		s.request(plain)
		var fenced error
		go func() {
			_, fenced = s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: bk.NoEntry, Last: bk.NoEntry, Flags: bk.FlagFence, MasterKey: ourKey})
		}()
		synctest.Wait()
		apart := <-s.ends
		if r := s.request(apart); r.Flags != bk.FlagFence || r.MasterKey != ourKey || r.Entry != bk.NoEntry {
			t.Errorf("%+v", r)
		}
		s.send(plain, bkwire.AppendResponse(nil, 2, bkwire.OpRead, bk.ErrNoLedger, 7, bk.NoEntry, 0))
		if fenced != nil {
			t.Error("the fence was answered by the answer to an ordinary read")
		}
		a := newAnswers()
		a.add(s.c, bk.FlagRecoveryAdd|bk.FlagHighPriority, 7, 0, "a")
		if r := s.request(apart); r.Op != bkwire.OpAdd || r.Flags != bk.FlagRecoveryAdd|bk.FlagHighPriority {
			t.Errorf("%+v", r)
		}
		s.send(apart, answerAdd(bk.OK, 7, 0), bkwire.AppendResponse(nil, 2, bkwire.OpRead, bk.ErrNoEntry, 7, bk.NoEntry, 0))
		s.want(a, "0:0")
		if !errors.Is(fenced, bk.ErrNoEntry) {
			t.Error(fenced)
		}
	})
}

// TestClose answers what is on its way, and what comes later.
func TestClose(t *testing.T) {
	play(t, Options{}, func(s *stage) {
		a := newAnswers()
		a.add(s.c, 0, 7, 0, "a", strings.Repeat("b", 20_000))
		<-s.ends
		s.c.Close()
		s.want(a, "0:202 1:202")
		a.add(s.c, 0, 7, 2, "c")
		s.want(a, "0:202 1:202 2:202")
		if _, err := s.c.Read(ctx, bk.BookieRead{Ledger: 7, First: 1, Last: 1}); !errors.Is(err, bk.ErrUnavailable) {
			t.Error(err)
		}
	})
}

// FuzzAnswers: whatever a bookie sends, each add is told once and each read ends.
func FuzzAnswers(f *testing.F) {
	f.Add(append(answerAdd(bk.OK, 7, 0), answerAdd(bk.ErrTooMany, 7, 2)...))
	f.Add(append(answerRead(7, 0, "x"), answerAdd(bk.OK, 7, 1)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		here, there := net.Pipe()
		d := NewDialer(Options{Dial: func(context.Context, string) (net.Conn, error) { return here, nil }})
		c, _ := d.Dial("h:1", bkwire.ServiceInfo{})
		a := newAnswers()
		go io.Copy(io.Discard, there)
		a.add(c, bk.FlagRecoveryAdd, 7, 0, "a", "b", "c")
		ended := make(chan struct{})
		go func() {
			if e, err := c.Read(ctx, bk.BookieRead{Ledger: 7, First: 0, Last: 0, Flags: bk.FlagFence}); err == nil {
				release(e)
			}
			close(ended)
		}()
		_, _ = io.Copy(there, bytes.NewReader(data))
		there.Close()
		a.wait()
		<-ended
		c.Close()
	})
}
