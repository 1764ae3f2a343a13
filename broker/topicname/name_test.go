package topicname

import (
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Name{
		"t":                            {true, "public", "default", "t", -1},
		"a/b/t":                        {true, "a", "b", "t", -1},
		"persistent://a/b/t":           {true, "a", "b", "t", -1},
		"non-persistent://a/b/t":       {false, "a", "b", "t", -1},
		"persistent://a/b/t x%?":       {true, "a", "b", "t x%?", -1},
		"t-partition-12":               {true, "public", "default", "t-partition-12", 12},
		"t-partition-0":                {true, "public", "default", "t-partition-0", 0},
		"t-partition-":                 {true, "public", "default", "t-partition-", -1},
		"t-partition-01":               {true, "public", "default", "t-partition-01", -1},
		"t-partition--1":               {true, "public", "default", "t-partition--1", -1},
		"t-partition-1-DLQ":            {true, "public", "default", "t-partition-1-DLQ", -1},
		"t-partition-1-partition-2":    {true, "public", "default", "t-partition-1-partition-2", 2},
		"t-partition-99999999999":      {true, "public", "default", "t-partition-99999999999", -1},
		"persistent://a:1/b=c._-/ü":    {true, "a:1", "b=c._-", "ü", -1},
		"persistent://public/d/persis": {true, "public", "d", "persis", -1},
	} {
		n, err := Parse(s)
		if err != nil || n != want {
			t.Errorf("Parse(%q) = %+v %v, want %+v", s, n, err, want)
		}
		if again, err := Parse(n.String()); err != nil || again != n {
			t.Errorf("%q: %q is not its full name", s, n)
		}
	}
	for _, s := range []string{
		"", "/", "a/b", "a/b/", "a//t", "/b/t", "a/b/c/d", "a/b/c/d/e", "persistent://", "persistent://t", "persistent://a/b", "persistent://a/b/",
		"persistent://a/c/b/t", "topic://a/b/t", "segment://a/b/t", "http://a/b/t", "persistent://a b/c/t", "persistent://a/ä/t", "persistent://a/b/ ",
		"persistent://../b/t", "persistent://a/./t", "persistent://a/b/..", "persistent://a/b/\xff", strings.Repeat("t", maxEncoded),
	} {
		if n, err := Parse(s); !fault.Has(err, fault.TopicName) {
			t.Errorf("Parse(%q) = %+v %v, want %s", s, n, err, fault.TopicName.Code)
		}
	}
}

func TestControlCharactersAreNotBegun(t *testing.T) {
	for local, ok := range map[string]bool{"t": true, "a b%?*~ü😀": true, "\x00": false, "a\tb": false, "a\x7f": false, "a\u0085": false} {
		n, err := Parse("persistent://a/b/" + local)
		if err != nil {
			t.Errorf("%q does not parse, but clients may use it: %v", local, err)
		}
		if err := n.CheckNew(); ok != (err == nil) || !ok && !fault.Has(err, fault.TopicName) {
			t.Errorf("%q: %v", local, err)
		}
	}
}

func TestPartitions(t *testing.T) {
	n, err := Parse("orders")
	if err != nil {
		t.Fatal(err)
	}
	p := n.Of(3)
	if p.String() != "persistent://public/default/orders-partition-3" || p.Partition != 3 || p.Partitioned() != n || n.Partitioned() != n {
		t.Fatalf("%v %v", p, p.Partitioned())
	}
	if again, err := Parse(p.String()); err != nil || again != p {
		t.Fatalf("%v %v, want %v", again, err, p)
	}
}

func TestManagedName(t *testing.T) {
	n, err := Parse("non-persistent://a/b/x y/z")
	if err == nil {
		t.Fatalf("a name with a slash was taken: %v", n)
	}
	n, err = Parse("persistent://a/b/x y*~")
	if err != nil || n.ManagedName() != "a/b/persistent/x+y*%7E" {
		t.Fatalf("%s %v", n.ManagedName(), err)
	}
}

func TestSplitNamespace(t *testing.T) {
	if tenant, ns, err := SplitNamespace("a/b"); err != nil || tenant != "a" || ns != "b" {
		t.Fatal(tenant, ns, err)
	}
	for _, s := range []string{"", "a", "a/", "/b", "a/b/c", "a/ b", "../b"} {
		if _, _, err := SplitNamespace(s); !fault.Has(err, fault.NamespaceName) {
			t.Errorf("SplitNamespace(%q): %v, want %s", s, err, fault.NamespaceName.Code)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"t", "a/b/t", "persistent://a/b/t-partition-1", "non-persistent://a/b/ü~", "topic://a/b/c", "-partition-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(n.String()); err != nil || again != n {
			t.Fatalf("%q: its full name %q gives %+v, %v", s, n, again, err)
		}
		if n.Partition >= 0 && n.Partitioned().Of(n.Partition) != n {
			t.Fatalf("%q is not partition %d of %q", s, n.Partition, n.Partitioned())
		}
		if err := meta.CheckKey("/managed-ledgers/" + n.ManagedName()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheTopicOfAManagedLedger(t *testing.T) {
	for _, topic := range []string{"t", "persistent://a/b/t-partition-3", "persistent://a/b/ü *~%?"} {
		n, err := Parse(topic)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := OfManaged(n.ManagedName()); !ok || got != n {
			t.Errorf("%s: %+v %v", n.ManagedName(), got, ok)
		}
	}
	for _, name := range []string{"", "a/b/c", "a/b/persistent", "a/b/non-persistent/t", "a/b/persistent/t/u", "a/b/persistent/%zz", "a/b/persistent/%74", "a//persistent/t"} {
		if got, ok := OfManaged(name); ok {
			t.Errorf("%q is the managed ledger of %s", name, got)
		}
	}
}
