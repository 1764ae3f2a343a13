package etcd

import (
	"slices"
	"strings"
	"testing"
)

// FuzzChildren: read in pages of any size, the children are those that a look at all keys finds.
func FuzzChildren(f *testing.F) {
	f.Add("/l/b/1\n/l/b-x\n/l/b\n/l/a/1/2\n/l/b!\n/lx/y\n/l0", "/l", 1)
	f.Add("/\n//\n//a\n/a//\n/a/b\n0", "/", 2)
	f.Add("/p/a\n/p/a/b\n/p/a0\n/p/a/", "/p/a", 3)
	f.Fuzz(func(t *testing.T, lines, key string, page int) {
		if page < 1 || key == "" || key[0] != '/' || key != "/" && strings.HasSuffix(key, "/") {
			t.Skip()
		}
		keys := strings.Split(lines, "\n")
		slices.Sort(keys)
		keys = slices.Compact(keys)
		var want []string
		below := strings.TrimSuffix(key, "/") + "/"
		for _, k := range keys {
			if rest, ok := strings.CutPrefix(k, below); ok {
				if name, _, _ := strings.Cut(rest, "/"); name != "" {
					want = append(want, name)
				}
			}
		}
		slices.Sort(want)
		want = slices.Compact(want)
		c := newChildren("", key)
		from := c.prefix
		for range len(keys) + 1 {
			var got []string
			for _, k := range keys {
				if k >= from && k < c.end && len(got) < page {
					got = append(got, k)
				}
			}
			for _, k := range got {
				from = c.add(k)
			}
			if len(got) < page {
				if have := c.sorted(); !slices.Equal(have, want) {
					t.Fatalf("children of %q: %q, want %q", key, have, want)
				}
				return
			}
		}
		t.Fatal("the listing does not come to an end")
	})
}
