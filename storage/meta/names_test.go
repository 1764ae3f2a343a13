package meta_test

import (
	"testing"

	"github.com/strobemq/strobe/storage/meta"
)

func TestEncodeName(t *testing.T) {
	for name, want := range map[string]string{
		"":           "",
		"plain-_.*9": "plain-_.*9",
		"a b":        "a+b",
		"a/b":        "a%2Fb",
		"~":          "%7E",
		"a+b%":       "a%2Bb%25",
		"ü€":         "%C3%BC%E2%82%AC",
		"\x00\xff":   "%00%FF",
		"(!')":       "%28%21%27%29",
	} {
		if got := meta.EncodeName(name); got != want {
			t.Errorf("EncodeName(%q) = %q, want %q", name, got, want)
		}
		if got, err := meta.DecodeName(want); err != nil || got != name {
			t.Errorf("DecodeName(%q) = %q %v, want %q", want, got, err, name)
		}
	}
	for _, broken := range []string{"%", "%1", "a%zz", "%%41", "+%4"} {
		if got, err := meta.DecodeName(broken); err == nil {
			t.Errorf("DecodeName(%q) = %q, want an error", broken, got)
		}
	}
}

func FuzzDecodeName(f *testing.F) {
	for _, seed := range []string{"", "a+b", "%2F", "%e2%82%ac", "%", "~"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if back, err := meta.DecodeName(meta.EncodeName(s)); err != nil || back != s {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
		if name, err := meta.DecodeName(s); err == nil && len(name) > len(s) {
			t.Fatalf("%q grew to %q", s, name)
		}
	})
}
