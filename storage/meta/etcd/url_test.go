package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

func TestParseURL(t *testing.T) {
	for url, want := range map[string]struct {
		prefix    string
		endpoints string
	}{
		"etcd://a:1,b:2,c":                              {"", "http://a:1 http://b:2 http://c:2379"},
		"etcd://a:1/":                                   {"", "http://a:1"},
		"etcd://a:1/strobe/one":                         {"/strobe/one", "http://a:1"},
		"etcds://a,[::1]:3":                             {"", "https://a:2379 https://[::1]:3"},
		"etcd:http://a:2379,http://b:2379":              {"", "http://a:2379 http://b:2379"},
		"etcd:https://a,https://b/":                     {"", "https://a:2379 https://b:2379"},
		"etcd:a:1":                                      {"", "http://a:1"},
		"metadata-store:etcd:http://a:2379":             {"", "http://a:2379"},
		"metadata-store:etcd://10.0.0.1,10.0.0.2/other": {"/other", "http://10.0.0.1:2379 http://10.0.0.2:2379"},
	} {
		o, err := ParseURL(url)
		if err != nil || o.Prefix != want.prefix || strings.Join(o.Endpoints, " ") != want.endpoints || !IsURL(url) {
			t.Errorf("%s: %q %q %v, want %+v", url, o.Endpoints, o.Prefix, err, want)
		}
	}
	for _, url := range []string{
		"", "zk:a:1", "etcd:", "etcd://", "etcd:///a", "etcd://a,,b", "etcd://user:secret@a:1", "etcd:http://user:secret@a:1",
		"etcd:http://a:1/prefix", "etcd:ftp://a", "etcd://a/x//y", "etcd://a/../b", "etcd://a/x?timeout=1", "etcd://a:port", "etcd://" + strings.Repeat("a,", 65) + "a",
		"etcd:http://a?password=secret", strings.Repeat("e", maxURL+1),
	} {
		if _, err := ParseURL(url); !fault.Has(err, fault.EtcdAddress) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.60s: %v, want a fault that keeps the secret", url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, url := range []string{"etcd://a:1,b:2/p", "etcd:http://a:2379,https://b", "etcds://[::1]", "metadata-store:etcd:a", "etcd://u:p@h/%2f"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		o, err := ParseURL(url)
		if err != nil {
			return
		}
		if len(o.Endpoints) == 0 || len(o.Endpoints) > maxEndpoints || o.Prefix != "" && meta.CheckKey(o.Prefix) != nil {
			t.Fatalf("%q became %+v", url, o)
		}
		again, err := ParseURL("etcd:" + strings.Join(o.Endpoints, ","))
		if err != nil || !slices.Equal(again.Endpoints, o.Endpoints) {
			t.Fatalf("%q became %q, and that %q %v", url, o.Endpoints, again.Endpoints, err)
		}
	})
}
