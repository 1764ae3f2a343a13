package product

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTop(t *testing.T) {
	got := parseTop(`File: strobe
Type: cpu
Duration: 3s, Total samples = 2.80s (93.3%)
Showing nodes accounting for 2.5s, 89% of 2.8s total
      flat  flat%   sum%        cum   cum%
     1.20s 50.00% 50.00%      1.20s 50.00%  internal/runtime/syscall.Syscall6
     0.30s 12.50% 62.50%      1.50s 53.57%  github.com/strobemq/strobe/storage/segment.(*writer).commit (inline)
         0     0% 53.57%      1.50s 53.57%  main.main
`)
	want := []Spent{{"internal/runtime/syscall.Syscall6", 0.5}, {"storage/segment.(*writer).commit", 0.125}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
