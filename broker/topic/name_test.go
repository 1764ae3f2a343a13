package topic

import "testing"

func TestParseName(t *testing.T) {
	for _, c := range []struct {
		in, full, managed, partitioned string
		partition                      int
	}{
		{"t", "persistent://public/default/t", "public/default/persistent/t", "persistent://public/default/t", -1},
		{"a/b/c", "persistent://a/b/c", "a/b/persistent/c", "persistent://a/b/c", -1},
		{"persistent://a/b/c", "persistent://a/b/c", "a/b/persistent/c", "persistent://a/b/c", -1},
		{"non-persistent://a/b/c", "non-persistent://a/b/c", "a/b/persistent/c", "non-persistent://a/b/c", -1},
		{"persistent://a/b/c d/é", "persistent://a/b/c d/é", "a/b/persistent/c+d%2F%C3%A9", "persistent://a/b/c d/é", -1},
		{"t-partition-12", "persistent://public/default/t-partition-12", "public/default/persistent/t-partition-12", "persistent://public/default/t", 12},
		{"t-partition-012", "persistent://public/default/t-partition-012", "public/default/persistent/t-partition-012", "persistent://public/default/t-partition-012", -1},
		{"t-partition-", "persistent://public/default/t-partition-", "public/default/persistent/t-partition-", "persistent://public/default/t-partition-", -1},
	} {
		n, err := ParseName(c.in)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if n.String() != c.full || n.ManagedName() != c.managed || n.Partition != c.partition || n.Partitioned().String() != c.partitioned {
			t.Errorf("%q: %s, %s, %d, %s", c.in, n, n.ManagedName(), n.Partition, n.Partitioned())
		}
		if c.partition >= 0 && n.Partitioned().Of(c.partition) != n {
			t.Errorf("%q: partition %d of %s is %s", c.in, c.partition, n.Partitioned(), n.Partitioned().Of(c.partition))
		}
	}
	for _, bad := range []string{"", "a/b", "a/b/c/d", "topic://a/b/c", "segment://a/b/c", "persistent://a/b", "persistent://a//c", "persistent://a/b/", "persistent://a b/c/d", "http://a/b/c"} {
		if n, err := ParseName(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, n)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("persistent://public/default/t-partition-3")
	f.Add("non-persistent://a/b/c/d")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		again, err := ParseName(n.String())
		if err != nil || again != n {
			t.Errorf("%q is %+v, whose name %q is %+v, %v", s, n, n.String(), again, err)
		}
	})
}
