package server

import (
	"testing"
	"time"
)

func TestResend(t *testing.T) {
	t0 := time.Unix(1000, 0)
	type step struct {
		sequence uint64
		after    time.Duration // of PRODUCER_SUCCESS
		want     verdict
	}
	for name, c := range map[string]struct {
		dropped []uint64
		steps   []step
	}{
		"nothing was dropped":            {nil, []step{{5, 0, take}}},
		"the client sends again":         {[]uint64{5, 6}, []step{{5, 0, take}}},
		"only the last is sent again":    {[]uint64{5, 6}, []step{{6, 0, take}}},
		"what was on its way is dropped": {[]uint64{5, 6}, []step{{7, 0, drop}, {8, 0, drop}, {5, 0, take}}},
		"and what it dropped counts":     {[]uint64{5, 6}, []step{{7, 0, drop}, {7, 0, take}}},
		"the client gave them up":        {[]uint64{5}, []step{{6, time.Second, drop}, {7, 3 * time.Second, again}}},
	} {
		var r resend
		for _, s := range c.dropped {
			r.dropped(s, t0)
		}
		if got := r.expected(t0.Add(time.Second)); got != (len(c.dropped) > 0) {
			t.Errorf("%s: expected %v", name, got)
		}
		r.begun = t0
		for i, s := range c.steps {
			if got := r.judge(s.sequence, t0.Add(s.after)); got != s.want {
				t.Errorf("%s, step %d: %v, want %v", name, i, got, s.want)
			}
			if s.want == again && (r.expected(t0) || r.judge(100, t0) != take) {
				t.Errorf("%s: it is not let off", name)
			}
		}
		if r.expected(t0.Add(resendWithin)) {
			t.Errorf("%s: expected after too long", name)
		}
	}
}
