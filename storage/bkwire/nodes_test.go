package bkwire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLedgerPaths(t *testing.T) {
	for id, want := range map[int64]string{
		0:          "/ledgers/00/0000/L0000",
		1:          "/ledgers/00/0000/L0001",
		12345678:   "/ledgers/00/1234/L5678",
		2147483646: "/ledgers/21/4748/L3646",
		2147483647: "/ledgers/000/0000/0021/4748/L3647",
		4294967297: "/ledgers/000/0000/0042/9496/L7297",
	} {
		if got := LedgerPath(id); got != want {
			t.Errorf("%d: %s, want %s", id, got, want)
		}
		if got, ok := ParseLedgerPath(want); !ok || got != id {
			t.Errorf("%s: %d, %v", want, got, ok)
		}
	}
	for _, key := range []string{
		"", "/ledgers", "/ledgers/LAYOUT", "/ledgers/00/0000", "/ledgers/0000/00L0001", "/ledgers/00/0000/0001",
		"/ledgers/000/0000/0000/0000/L0001", "/ledgers/underreplication/ledgers/0000/0000/00bc/614e/urL0012345678", "/managed-ledgers/00/0000/L0001",
	} {
		if id, ok := ParseLedgerPath(key); ok {
			t.Errorf("%s was read as ledger %d", key, id)
		}
	}
	if got := UnderreplicationPath(12345678); got != "/ledgers/underreplication/ledgers/0000/0000/00bc/614e/urL0012345678" {
		t.Error(got)
	}
	if got := LongIDPath(1); got != "/ledgers/idgen-long/HOB-0000000001/ID-" {
		t.Error(got)
	}
}

func TestCheckLayout(t *testing.T) {
	for _, good := range []string{Layout, Layout + "\n", "1\nhierarchical:1"} {
		if err := CheckLayout([]byte(good)); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, newer := range map[string]bool{
		"":                  false,
		"hello":             false,
		"0\nhierarchical:1": false,
		"3\norg.apache.bookkeeper.meta.HierarchicalLedgerManagerFactory:1": true,
		"2\norg.apache.bookkeeper.meta.HierarchicalLedgerManagerFactory:2": true,
		"2\norg.apache.bookkeeper.meta.HierarchicalLedgerManagerFactory":   false,
		// Other places for the same ids.
		"2\norg.apache.bookkeeper.meta.LongHierarchicalLedgerManagerFactory:1": false,
		"2\norg.apache.bookkeeper.meta.FlatLedgerManagerFactory:1":             false,
		"1\nflat:1":                        false,
		"2\n" + strings.Repeat("x", 1<<20): false,
	} {
		if err := CheckLayout([]byte(bad)); err == nil || errors.Is(err, ErrNewer) != newer {
			t.Errorf("%.80q: %v", bad, err)
		}
	}
}

func FuzzCheckLayout(f *testing.F) {
	f.Add([]byte(Layout))
	f.Add([]byte("1\nhierarchical:1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if CheckLayout(data) == nil && len(data) > maxLayout {
			t.Error("too long")
		}
	})
}

func TestLastLedgerBelow(t *testing.T) {
	for dir, want := range map[string]int64{
		"/ledgers/00": 99_999_999, "/ledgers/21": 2_199_999_999, "/ledgers/00/0012": 129_999,
		"/ledgers/000": 9999_9999_9999_9999, "/ledgers/000/0000/0042/9496": 42_9496_9999, "/ledgers/922": 1<<63 - 1, "/ledgers/999": 1<<63 - 1,
	} {
		if got, ok := LastLedgerBelow(dir); !ok || got != want {
			t.Errorf("%s: %d %v, want %d", dir, got, ok, want)
		}
	}
	for _, dir := range []string{
		"", "/ledgers", "/ledgers/", "/ledgers/available", "/ledgers/idgen", "/ledgers/0", "/ledgers/ab", "/ledgers/00/00", "/ledgers/00/0000/0001",
		"/ledgers/000/0000/0000/0000/0000", "/ledgers/-1/0000", "/managed-ledgers/00",
	} {
		if id, ok := LastLedgerBelow(dir); ok {
			t.Errorf("%s holds ledgers up to %d", dir, id)
		}
	}
}

func TestBookieIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"127.0.0.1:3181": true, "3f2b8c1e-8a53-4c11-9a77-0123456789ab": true, "a_B.c": true, "x@y": true,
		"": false, "readonly": false, "a/b": false, "a b": false, "a,b": false,
	} {
		if ValidBookieID(id) != want {
			t.Errorf("%q may name a bookie: %v", id, !want)
		}
	}
}

func TestCookie(t *testing.T) {
	recordedCookie := znodes(t)["init /ledgers/cookies/127.0.0.1:14191"]
	want := Cookie{
		BookieID: "127.0.0.1:14191", JournalDir: "/data/b1/journal", LedgerDirs: []string{"/data/b1/ledgers"},
		InstanceID: "da89f2db-a0e1-4e3b-9d0a-dbd7b4432fba",
	}
	got, err := DecodeCookie(recordedCookie)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again := got.Append(nil); !bytes.Equal(again, recordedCookie) {
		t.Errorf("written again: %q", again)
	}
	other := "5\r\nbookieHost:'127.0.0.1:14191' journalDir: \"/data/\" \"b1/journal\", # comment\nledgerDirs: \"1\\011/data/b1/ledgers\"; instanceId: \"da89f2db-a0e1-4e3b-9d0a-dbd7b4432fb\\x61\""
	if got, err := DecodeCookie([]byte(other)); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("another spelling of the same: %v %+v", err, got)
	}
	for _, bad := range []string{"", "3\na\nb\n", "5\n", "6\nbookieHost: \"a\"", "5\nbookieHost: \"a\nb\"", "5\nbookieHost: \"a\" ledgerDirs: \"2\\ta\"", "5\nbookieHost: \"\\q\""} {
		if c, err := DecodeCookie([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, c)
		}
	}
}

func TestUnderreplication(t *testing.T) {
	data := znodes(t)["underreplicated /ledgers/underreplication/ledgers/0000/0000/0000/0047/urL0000000071"]
	u, err := DecodeUnderreplication(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Underreplication{Replicas: []string{"127.0.0.1:14192", "127.0.0.1:14193", "127.0.0.1:14191"}, CTime: 1795304497293}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Error(diff)
	}
	if again := u.Append(nil); !bytes.Equal(again, data) {
		t.Errorf("written again: %q", again)
	}
	if u.Merge("127.0.0.1:14193") || !u.Merge("new") || len(u.Replicas) != 4 {
		t.Errorf("merged: %v", u.Replicas)
	}
}

func TestServiceInfo(t *testing.T) {
	data := znodes(t)["init /ledgers/available/127.0.0.1:14192"]
	s, err := DecodeServiceInfo(data)
	if err != nil {
		t.Fatal(err)
	}
	var rpc *Endpoint
	for i := range s.Endpoints {
		if s.Endpoints[i].Protocol == "bookie-rpc" {
			rpc = &s.Endpoints[i]
		}
	}
	if rpc == nil || rpc.Host != "127.0.0.1" || rpc.Port != 14192 {
		t.Fatalf("%+v", s)
	}
	if again := s.Append(nil); !bytes.Equal(again, data) {
		t.Errorf("written again: %x, want %x", again, data)
	}
	s.Properties = map[string]string{"b": "2", "a": "1"}
	if back, err := DecodeServiceInfo(s.Append(nil)); err != nil || cmp.Diff(s, back) != "" {
		t.Errorf("%v %+v", err, back)
	}
}

func TestLayout(t *testing.T) {
	if got := string(znodes(t)["init /ledgers/LAYOUT"]); got != Layout {
		t.Errorf("%q, want %q", Layout, got)
	}
}

func FuzzDecodeCookie(f *testing.F) {
	f.Add(znodes(f)["init /ledgers/cookies/127.0.0.1:14191"])
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeCookie(data)
		if err != nil {
			return
		}
		again, err := DecodeCookie(c.Append(nil))
		if err != nil || cmp.Diff(c, again) != "" && c.LedgerDirs != nil {
			t.Errorf("%+v, then %+v, %v", c, again, err)
		}
	})
}

func FuzzDecodeUnderreplication(f *testing.F) {
	f.Add(znodes(f)["underreplicated /ledgers/underreplication/ledgers/0000/0000/0000/0047/urL0000000071"])
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := DecodeUnderreplication(data)
		if err != nil {
			return
		}
		if again, err := DecodeUnderreplication(u.Append(nil)); err != nil || cmp.Diff(u, again) != "" {
			t.Errorf("%+v, then %+v, %v", u, again, err)
		}
	})
}

func FuzzDecodeServiceInfo(f *testing.F) {
	f.Add(znodes(f)["init /ledgers/available/127.0.0.1:14192"])
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeServiceInfo(data)
		if err != nil {
			return
		}
		if again, err := DecodeServiceInfo(s.Append(nil)); err != nil || len(again.Endpoints) != len(s.Endpoints) {
			t.Errorf("%+v, then %+v, %v", s, again, err)
		}
	})
}

func FuzzParseLedgerPath(f *testing.F) {
	f.Add("/ledgers/00/0000/L0001")
	f.Add("/ledgers/000/0000/0021/4748/L3647")
	f.Fuzz(func(t *testing.T, key string) {
		id, ok := ParseLedgerPath(key)
		if ok && LedgerPath(id) != key {
			t.Errorf("%q is ledger %d, whose path is %q", key, id, LedgerPath(id))
		}
		if last, dir := LastLedgerBelow(key); dir && (ok || last < 0) {
			t.Errorf("%q is a directory with ledgers up to %d", key, last)
		}
	})
}
