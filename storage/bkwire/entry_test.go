package bkwire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
)

// recorded calls on for each line of a file of recorded bytes.
func recorded[T any](t testing.TB, name string, on func(T)) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		on(v)
	}
	if n == 0 {
		t.Fatalf("%s is empty", name)
	}
}

func TestKeys(t *testing.T) {
	for password, want := range map[string]string{
		"":   "850bf1071c5e3d8c24235676f8816ae0cbe2f14f",
		"pw": "2aa226ba095b6969a64871977693b14671710d76",
	} {
		if got := MasterKey([]byte(password)); hex.EncodeToString(got[:]) != want {
			t.Errorf("master key of %q: %x, want %s", password, got, want)
		}
	}
	if got := macKey([]byte("pw")); hex.EncodeToString(got[:]) != "1f397c2df518ce03229cc4dc92b608068c3a2fad" {
		t.Errorf("mac key: %x", got)
	}
}

func TestDigestVectors(t *testing.T) {
	h := Header{Ledger: 7, Entry: 3, LAC: 2, Length: 20}
	const header = "0000000000000007" + "0000000000000003" + "0000000000000002" + "0000000000000014"
	for _, c := range []struct {
		kind     bk.Digest
		password string
		want     string
	}{
		{bk.DigestCRC32C, "", "e9857074"},
		{bk.DigestCRC32, "", "000000002190aea7"},
		{bk.DigestMAC, "pw", "83e79f4dcda9cf7002309d456f9c05d1c04c36d1"},
		{bk.DigestDummy, "", ""},
	} {
		d, err := NewDigester(c.kind, []byte(c.password))
		if err != nil {
			t.Fatal(err)
		}
		for split := range 6 { // the payload in every split of prefix and body
			got := d.AppendHead([]byte("before"), h, []byte("hello")[:split], []byte("hello")[split:])
			want := "before" + unhex(t, header+c.want) + "hello"[:split]
			if string(got) != want {
				t.Errorf("digest %d, prefix of %d: %x, want %x", c.kind, split, got, want)
			}
		}
		stored := []byte(unhex(t, header+c.want) + "hello")
		if got, payload, err := d.Verify(7, 3, stored); err != nil || got != h || string(payload) != "hello" {
			t.Errorf("digest %d: %v %q %v", c.kind, got, payload, err)
		}
	}
	if _, err := NewDigester(9, nil); !errors.Is(err, bk.ErrBadRequest) {
		t.Errorf("digest 9: %v", err)
	}
}

func TestExplicitLAC(t *testing.T) {
	d, _ := NewDigester(bk.DigestCRC32C, nil)
	packet := d.AppendExplicitLAC(nil, 7, 3)
	if got := hex.EncodeToString(packet); got != "00000000000000070000000000000003"+"9640a704" {
		t.Errorf("packet %s", got)
	}
	if lac, err := d.VerifyExplicitLAC(7, packet); err != nil || lac != 3 {
		t.Errorf("%d, %v", lac, err)
	}
	for i := range packet {
		damaged := bytes.Clone(packet)
		damaged[i] ^= 1
		if _, err := d.VerifyExplicitLAC(7, damaged); !errors.Is(err, bk.ErrDigest) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	if _, err := d.VerifyExplicitLAC(8, packet); !errors.Is(err, bk.ErrDigest) {
		t.Errorf("another ledger's packet: %v", err)
	}
}

// TestRecordedEntries reads entries that Apache's client wrote, and writes the same bytes.
func TestRecordedEntries(t *testing.T) {
	type entry struct {
		Phase                      string
		Ledger, Entry, LAC, Length int64
		Hex                        string
	}
	kinds := map[int64]bk.Digest{ // of the plain client's ledgers; all others have Pulsar's defaults
		99: bk.DigestMAC, 100: bk.DigestCRC32, 101: bk.DigestCRC32C, 102: bk.DigestDummy,
		120: bk.DigestMAC, 121: bk.DigestCRC32, 122: bk.DigestCRC32C, 123: bk.DigestDummy, 127: bk.DigestCRC32,
	}
	recorded(t, "entries.jsonl", func(e entry) {
		kind, password := bk.DigestCRC32C, ""
		if k, ok := kinds[e.Ledger]; ok {
			kind, password = k, "pw"
		}
		d, _ := NewDigester(kind, []byte(password))
		stored := []byte(unhex(t, e.Hex))
		h, payload, err := d.Verify(e.Ledger, e.Entry, stored)
		if err != nil {
			t.Errorf("%s %d:%d: %v", e.Phase, e.Ledger, e.Entry, err)
			return
		}
		if want := (Header{e.Ledger, e.Entry, e.LAC, e.Length}); h != want {
			t.Errorf("%s: %+v, want %+v", e.Phase, h, want)
		}
		n := len(payload) / 2
		again := append(d.AppendHead(nil, h, payload[:n], payload[n:]), payload[n:]...)
		if !bytes.Equal(again, stored) {
			t.Errorf("%s %d:%d: packed again: %x, want %x", e.Phase, e.Ledger, e.Entry, again, stored)
		}
	})
}

func TestVerifyRefuses(t *testing.T) {
	for _, kind := range []bk.Digest{bk.DigestCRC32, bk.DigestMAC, bk.DigestCRC32C} {
		d, _ := NewDigester(kind, nil)
		good := d.AppendHead(nil, Header{Ledger: 1, Entry: 2, LAC: 1, Length: 9}, []byte("pay"), nil)
		for i := range good {
			damaged := bytes.Clone(good)
			damaged[i] ^= 0x10
			if _, _, err := d.Verify(1, 2, damaged); !errors.Is(err, bk.ErrDigest) {
				t.Errorf("digest %d, byte %d flipped: %v", kind, i, err)
			}
		}
		for n := range good {
			if _, _, err := d.Verify(1, 2, good[:n]); !errors.Is(err, bk.ErrDigest) {
				t.Errorf("digest %d, cut to %d bytes: %v", kind, n, err)
			}
		}
		if _, _, err := d.Verify(1, 3, good); !errors.Is(err, bk.ErrDigest) {
			t.Errorf("another entry: %v", err)
		}
		if _, _, err := d.Verify(2, 2, good); !errors.Is(err, bk.ErrDigest) {
			t.Errorf("another ledger: %v", err)
		}
		if _, _, err := d.Verify(1, bk.NoEntry, good); err != nil {
			t.Errorf("any entry: %v", err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	recorded(f, "entries.jsonl", func(e struct{ Hex string }) { f.Add([]byte(unhex(f, e.Hex))) })
	f.Fuzz(func(t *testing.T, stored []byte) {
		for kind := bk.DigestCRC32; kind <= bk.DigestDummy; kind++ {
			d, _ := NewDigester(kind, []byte("pw"))
			h, payload, err := d.Verify(7, bk.NoEntry, stored)
			if err != nil {
				continue
			}
			if again := d.AppendHead(nil, h, payload, nil); !bytes.Equal(again, stored) {
				t.Errorf("verified, but packed again it differs: %x, %x", stored, again)
			}
		}
	})
}

func BenchmarkAppendHead(b *testing.B) {
	d, _ := NewDigester(bk.DigestCRC32C, nil)
	body := make([]byte, 1024)
	dst := make([]byte, 0, 128)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		dst = d.AppendHead(dst[:0], Header{Ledger: 1, Entry: 2, LAC: 1, Length: 3}, nil, body)
	}
}

func unhex(t testing.TB, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
