package bkwire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/strobemq/strobe/storage/bk"
)

// vector is the golden sample of BookKeeper's own tests.
func vector() *Metadata {
	return &Metadata{
		Version: 3, Quorum: bk.Quorum{Ensemble: 3, Write: 2, Ack: 1}, State: Open, Last: bk.NoEntry,
		Segments: []Segment{{0, []string{"192.0.2.1:3181", "192.0.2.2:3181", "192.0.2.3:3181"}}},
		Digest:   bk.DigestCRC32C, Password: []byte("foobar"), CTime: -1,
	}
}

func TestMetadataVector(t *testing.T) {
	minus1 := strings.Repeat("ff", 9) + "01"
	want := "BookieMetadataFormatVersion\t3\n" + unhex(t, "60"+"0802"+"1003"+"1800"+"20"+minus1+"2801"+"3232") +
		"\x0a\x0e192.0.2.1:3181\x0a\x0e192.0.2.2:3181\x0a\x0e192.0.2.3:3181" +
		unhex(t, "1000"+"3803"+"4206") + "foobar" + unhex(t, "4801"+"50"+minus1+"6000")
	if got := vector().Append(nil); string(got) != want {
		t.Errorf("%x\nwant %x", got, want)
	}
	got, err := DecodeMetadata([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(vector(), got, cmpopts.IgnoreUnexported(Metadata{})); diff != "" {
		t.Error(diff)
	}
}

type znode struct {
	Phase, Path string
	Data        []byte
}

// znodes are recorded values by "phase path".
func znodes(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	recorded(t, "znodes.jsonl", func(z znode) { out[z.Phase+" "+z.Path] = z.Data })
	return out
}

func TestRecordedMetadata(t *testing.T) {
	pulsar := func(ml string) []Custom {
		return []Custom{{"pulsar/managed-ledger", []byte(ml)}, {"component", []byte("managed-ledger")}, {"application", []byte("pulsar")}}
	}
	two := bk.Quorum{Ensemble: 2, Write: 2, Ack: 2}
	for node, want := range map[string]*Metadata{
		"v2-open /ledgers/00/0000/L0005": {
			Version: 3, Quorum: two, State: Open, Last: bk.NoEntry, Digest: bk.DigestCRC32C, Password: []byte{},
			Segments: []Segment{{0, []string{"127.0.0.1:14191", "127.0.0.1:14193"}}},
			Custom:   pulsar("public/golden/persistent/raw-unbatched"),
		},
		"v2-bookie-lost /ledgers/00/0000/L0005": {
			Version: 3, Quorum: two, State: Open, Last: bk.NoEntry, Digest: bk.DigestCRC32C, Password: []byte{},
			Segments: []Segment{{0, []string{"127.0.0.1:14191", "127.0.0.1:14193"}}, {3, []string{"127.0.0.1:14191", "127.0.0.1:14192"}}},
			Custom:   pulsar("public/golden/persistent/raw-unbatched"),
		},
		"v2-unloaded /ledgers/00/0000/L0011": {
			Version: 3, Quorum: two, State: Closed, Last: 1, Length: 68, Digest: bk.DigestCRC32C, Password: []byte{},
			Segments: []Segment{{0, []string{"127.0.0.1:14193", "127.0.0.1:14192"}}},
			Custom:   pulsar("public/golden/persistent/raw-plain"),
		},
		"underreplicated /ledgers/00/0000/L0099": {
			Version: 3, Quorum: bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, State: Closed, Last: 2, Length: 15, Digest: bk.DigestMAC,
			Password: []byte("pw"), Custom: []Custom{{"golden", []byte("MAC")}},
			Segments: []Segment{{0, []string{"127.0.0.1:14193", "127.0.0.1:14192", "127.0.0.1:14191"}}},
		},
		"underreplicated /ledgers/00/0000/L0103": {
			Version: 3, Quorum: bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, State: Closed, Last: 6, Length: 14, Digest: bk.DigestCRC32C,
			Password: []byte("pw"), Segments: []Segment{{0, []string{"127.0.0.1:14191", "127.0.0.1:14193", "127.0.0.1:14192"}}},
		},
	} {
		data, ok := znodes(t)[node]
		if !ok {
			t.Fatalf("%s is not recorded", node)
		}
		got, err := DecodeMetadata(data)
		if err != nil {
			t.Errorf("%s: %v", node, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Metadata{})); diff != "" {
			t.Errorf("%s: %s", node, diff)
		}
		if again := got.Append(nil); !bytes.Equal(again, data) {
			t.Errorf("%s: written again: %q, want %q", node, again, data)
		}
	}
}

// TestOldVersions reads what clients before 4.9 wrote; an update keeps the version.
func TestOldVersions(t *testing.T) {
	three := []string{"192.0.2.1:1234", "192.0.2.2:1234", "192.0.2.3:1234"}
	for _, c := range []struct {
		name, text string
		want       *Metadata
	}{
		{"v1 in recovery", "BookieMetadataFormatVersion\t1\n2\n3\n0\n0\t192.0.2.1:1234\t192.0.2.2:1234\t192.0.2.3:1234\n-102\tCLOSED", &Metadata{
			Version: 1, Quorum: bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, State: InRecovery, Last: bk.NoEntry, Digest: bk.DigestCRC32,
			Segments: []Segment{{0, three}}}},
		{"v1 closed", "BookieMetadataFormatVersion\t1\n2\n3\n99\n0\t192.0.2.1:1234\t192.0.2.2:1234\t192.0.2.3:1234\n10\t192.0.2.1:1234\t192.0.2.2:1234\t192.0.2.9:1234\n12\tCLOSED", &Metadata{
			Version: 1, Quorum: bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, State: Closed, Last: 12, Length: 99, Digest: bk.DigestCRC32,
			Segments: []Segment{{0, three}, {10, []string{three[0], three[1], "192.0.2.9:1234"}}}}},
		{"v1 open", "BookieMetadataFormatVersion\t1\n2\n3\n0\n0\t192.0.2.1:1234\t192.0.2.2:1234\t192.0.2.3:1234", &Metadata{
			Version: 1, Quorum: bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, State: Open, Last: bk.NoEntry, Digest: bk.DigestCRC32,
			Segments: []Segment{{0, three}}}},
		{"v2", `BookieMetadataFormatVersion	2
quorumSize: 2
ensembleSize: 3
length: 0
state: OPEN
segment {
  ensembleMember: "192.0.2.1:1234"
  ensembleMember: "192.0.2.2:1234"
  ensembleMember: "192.0.2.3:1234"
  firstEntryId: 0
}
digestType: CRC32C
password: "pass\001wd"
ackQuorumSize: 2
customMetadata {
  key: "k"
  value: "\000\377\""
}
`, &Metadata{
			Version: 2, Quorum: bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, State: Open, Last: bk.NoEntry, Digest: bk.DigestCRC32C,
			Segments: []Segment{{0, three}}, Password: []byte("pass\x01wd"), Custom: []Custom{{"k", []byte("\x00\xff\"")}}}},
	} {
		got, err := DecodeMetadata([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(Metadata{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if again := got.Append(nil); string(again) != c.text {
			t.Errorf("%s: written again: %q", c.name, again)
		}
	}
}

func TestMetadataKeepsUnknownFields(t *testing.T) {
	m := vector()
	m.unknown = appendBytes(nil, 77, []byte("later"))
	data := m.Append(nil)
	got, err := DecodeMetadata(data)
	if err != nil {
		t.Fatal(err)
	}
	got.State = InRecovery
	m.State = InRecovery
	if again := got.Append(nil); !bytes.Equal(again, m.Append(nil)) {
		t.Errorf("the unknown field went away: %q", again)
	}
}

func TestMetadataRefused(t *testing.T) {
	good := string(vector().Append(nil))
	broken := func(change func(*Metadata)) string {
		m := vector()
		change(m)
		return string(m.Append(nil))
	}
	for name, text := range map[string]string{
		"empty":             "",
		"no header":         "hello",
		"version 4":         "BookieMetadataFormatVersion\t4\n",
		"long version":      "BookieMetadataFormatVersion\t00000000003\n",
		"cut":               good[:len(good)-3],
		"ack above write":   broken(func(m *Metadata) { m.Quorum.Ack = 3 }),
		"no ensemble":       broken(func(m *Metadata) { m.Quorum.Ensemble = 0 }),
		"huge ensemble":     broken(func(m *Metadata) { m.Quorum.Ensemble = 1 << 30 }),
		"state 9":           broken(func(m *Metadata) { m.State = 9 }),
		"no segment":        broken(func(m *Metadata) { m.Segments = nil }),
		"short segment":     broken(func(m *Metadata) { m.Segments[0].Bookies = m.Segments[0].Bookies[:2] }),
		"first segment at":  broken(func(m *Metadata) { m.Segments[0].First = 5 }),
		"segments backward": broken(func(m *Metadata) { m.Segments = append(m.Segments, m.Segments[0]) }),
		"v1 few lines":      "BookieMetadataFormatVersion\t1\n1\n1\n",
		"v2 nonsense":       "BookieMetadataFormatVersion\t2\nquorumSize 2",
		"v2 deep":           "BookieMetadataFormatVersion\t2\n" + strings.Repeat("a {", 100),
	} {
		if m, err := DecodeMetadata([]byte(text)); err == nil {
			t.Errorf("%s was accepted: %+v", name, m)
		} else if errors.Is(err, ErrNewer) != (name == "version 4") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSegments(t *testing.T) {
	m := vector()
	a, b := []string{"a", "b", "c"}, []string{"d", "e", "f"}
	if !m.SetEnsemble(0, a) || len(m.Segments) != 1 {
		t.Errorf("a change at the start of the segment did not replace it: %v", m.Segments)
	}
	if !m.SetEnsemble(5, b) || len(m.Segments) != 2 {
		t.Errorf("%v", m.Segments)
	}
	if m.SetEnsemble(4, a) {
		t.Error("a change before the last segment was taken")
	}
	for entry, want := range map[int64]string{0: "a", 4: "a", 5: "d", 1 << 60: "d"} {
		s, next, ok := m.SegmentOf(entry)
		if !ok || s.Bookies[0] != want || next <= entry {
			t.Errorf("entry %d: %v up to %d, %v", entry, s, next, ok)
		}
	}
	if _, _, ok := m.SegmentOf(-1); ok {
		t.Error("entry -1 has a segment")
	}
}

func FuzzDecodeMetadata(f *testing.F) {
	for path, data := range znodes(f) {
		if strings.Contains(path, "/L0") {
			f.Add(data)
		}
	}
	f.Add([]byte("BookieMetadataFormatVersion\t1\n2\n3\n0\n0\ta\tb\tc\n-102\tCLOSED"))
	f.Add([]byte("BookieMetadataFormatVersion\t2\nquorumSize: 1 ensembleSize: 1 length: 0 state: OPEN segment { ensembleMember: 'a' firstEntryId: 0 }"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMetadata(data)
		if err != nil {
			return
		}
		again, err := DecodeMetadata(m.Append(nil))
		if err != nil {
			if m.Version == 3 {
				t.Fatalf("%v: %+v", err, m)
			}
			return // versions 1 and 2 have no way to write every string
		}
		if m.Version == 3 && !bytes.Equal(again.Append(nil), m.Append(nil)) {
			t.Errorf("%q, then %q", m.Append(nil), again.Append(nil))
		}
	})
}
