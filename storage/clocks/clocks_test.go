package clocks

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// said is a log that is read while it is written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// process is one with a clock that is ahead by so much.
func process(t *testing.T, m meta.Store, id string, ahead time.Duration, log *slog.Logger) *Clocks {
	t.Helper()
	c, err := Open(context.Background(), Options{Meta: m, ID: id, Log: log, Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAhead(t *testing.T) {
	const hour, year = time.Hour, 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		clocks []time.Duration // how far they are ahead of the right time; the first is asked
		want   time.Duration
	}{
		"alone":                            {[]time.Duration{hour}, 0},
		"all right":                        {[]time.Duration{0, 0, 0}, 0},
		"ahead of all":                     {[]time.Duration{hour, 0, 0}, hour},
		"ahead of one":                     {[]time.Duration{hour, hour, 0}, hour},
		"behind":                           {[]time.Duration{-hour, 0, 0}, 0},
		"far ahead of all":                 {[]time.Duration{year, 0, 0}, year},
		"one was never set":                {[]time.Duration{0, 0, -year}, 0},
		"one was never set, one is behind": {[]time.Duration{0, 0, 0, -year, -hour}, hour},
		"one is far ahead":                 {[]time.Duration{0, year, 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				defer m.Close()
				var first *Clocks
				for i, ahead := range c.clocks {
					p := process(t, m, string(rune('a'+i)), ahead, nil)
					defer p.Close()
					if i == 0 {
						first = p
					}
				}
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if got := first.Ahead(); got != c.want {
					t.Errorf("ahead by %v, want %v", got, c.want)
				}
				if n := first.Metrics().Heard; n != len(c.clocks)-1 {
					t.Errorf("heard %d", n)
				}
			})
		})
	}
}

// TestSaid: clocks that differ are told once; one that is silent goes on counting; what stood there before counts for nothing.
func TestSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		for id, value := range map[string]string{"old": "1000\n", "nonsense": "noon"} {
			if _, err := m.Put(context.Background(), key(id), []byte(value), meta.Any); err != nil {
				t.Fatal(err)
			}
		}
		var said said
		a := process(t, m, "a", 0, slog.New(slog.NewTextHandler(&said, nil)))
		defer a.Close()
		b := process(t, m, "b", -time.Hour, nil)
		if _, err := m.Put(context.Background(), key("nonsense"), []byte("later"), meta.Any); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if strings.Contains(said.String(), fault.ClusterClocks.Code) {
			t.Errorf("after one time, which may have come late: %s", &said)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := strings.Count(said.String(), fault.ClusterClocks.Code); n != 1 || !strings.Contains(said.String(), "that of b is -1h0m0s ahead") {
			t.Errorf("said %d times: %s", n, &said)
		}
		b.Close()
		if _, err := m.Get(context.Background(), key("b")); err == nil {
			t.Error("the time of a process that ended is left")
		}
		time.Sleep(time.Hour)
		if got := a.Metrics(); got.Ahead != 3600 || got.Skew != 3600 || got.Heard != 1 {
			t.Errorf("after b ended: %+v", got)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("1763799999000\n"))
	f.Add([]byte("-1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if at, ok := parse(text); ok && at.UnixMilli() < 0 {
			t.Errorf("%q is %v", text, at)
		}
	})
}
