package bkwire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strobemq/strobe/storage/bk"
)

// recordedFrame is a frame between Apache's client and bookie.
type recordedFrame struct {
	Dir, Type, Proto string
	Flags            bk.Flags
	RC               int32
	Ledger, Entry    int64
	Hex              string
	frame            []byte // with its length prefix
}

func recordedFrames(t testing.TB) []recordedFrame {
	t.Helper()
	f, err := os.Open("testdata/v2-frames.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []recordedFrame
	for s := bufio.NewScanner(f); s.Scan(); {
		var r recordedFrame
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.frame, err = hex.DecodeString(r.Hex); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// TestRecordedFrames decodes what Apache's client and bookie sent each other, and encodes it again.
func TestRecordedFrames(t *testing.T) {
	seen := map[string]int{}
	for _, r := range recordedFrames(t) {
		seen[r.Dir+r.Type+r.Proto]++
		n, err := FrameLen(r.frame, MaxFrame)
		if err != nil || n != len(r.frame)-4 {
			t.Fatalf("length %d, %v of %s", n, err, r.Hex)
		}
		frame := r.frame[4:]
		var latch Latch
		speaks := latch.See(frame)
		if want := map[string]Latch{"": SpeaksV2, "v3": SpeaksV3}[r.Proto]; speaks != want {
			t.Errorf("%s: speaks %d", r.Hex, speaks)
		}
		if speaks == SpeaksV3 {
			if _, err := DecodeRequest(frame); !errors.Is(err, ErrOpcode) {
				t.Errorf("%s as a frame of version 2: %v", r.Hex, err)
			}
			continue
		}
		var again []byte
		var got recordedFrame
		if r.Dir == "client" {
			q, err := DecodeRequest(frame)
			if err != nil {
				t.Fatalf("%s: %v", r.Hex, err)
			}
			got = recordedFrame{Flags: q.Flags, Ledger: q.Ledger, Entry: q.Entry}
			switch q.Op {
			case OpAdd:
				again = append(AppendAddRequest(nil, q.Flags, &q.MasterKey, len(frame)-q.Stored), frame[q.Stored:]...)
			case OpRead:
				again = AppendRead(nil, q.Flags, q.Ledger, q.Entry, &q.MasterKey)
			case OpBatchRead:
				again = AppendBatchRead(nil, q.Flags, q.Ledger, q.Entry, q.ID, q.MaxCount, q.MaxBytes, &q.MasterKey)
			}
		} else {
			a, err := DecodeResponse(frame)
			if err != nil {
				t.Fatalf("%s: %v", r.Hex, err)
			}
			got = recordedFrame{RC: int32(a.Code), Ledger: a.Ledger, Entry: a.Entry}
			if a.Op == OpBatchRead {
				again = encodeBatch(t, a, frame)
			} else {
				again = append(AppendResponse(nil, a.Version, a.Op, a.Code, a.Ledger, a.Entry, len(frame)-a.Body), frame[a.Body:]...)
			}
		}
		if want := (recordedFrame{Flags: r.Flags, RC: r.RC, Ledger: r.Ledger, Entry: r.Entry}); !cmp.Equal(got, want, cmp.AllowUnexported(recordedFrame{})) {
			t.Errorf("%s: %+v, want %+v", r.Hex, got, want)
		}
		if !bytes.Equal(again, r.frame) {
			t.Errorf("encoded again\n%x, recorded\n%s", again, r.Hex)
		}
	}
	for _, kind := range []string{"clientADD", "serverADD", "clientREAD", "serverREAD", "clientBATCH_READ", "serverBATCH_READ", "clientREAD_LACv3"} {
		if seen[kind] == 0 {
			t.Errorf("no %s among the recorded frames", kind)
		}
	}
}

// encodeBatch takes the answer to a batched read apart and puts it together again.
func encodeBatch(t *testing.T, a Response, frame []byte) []byte {
	t.Helper()
	var entries [][]byte
	stored := 0
	for at := a.Body; ; {
		from, to, ok, err := NextInBatch(frame, at)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		entries = append(entries, frame[from:to])
		stored += to - from
		at = to
	}
	if len(entries) != 4 {
		t.Errorf("%d entries in the recorded batch, want 4", len(entries))
	}
	again := AppendBatchResponse(nil, a.Version, a.Code, a.Ledger, a.Entry, a.ID, len(entries), stored)
	for _, e := range entries {
		again = append(AppendBatchEntry(again, len(e)), e...)
	}
	if BatchLen(len(entries), int64(stored)) != int64(4+len(frame)) {
		t.Errorf("%d bytes of batch counted as %d", 4+len(frame), BatchLen(len(entries), int64(stored)))
	}
	return again
}

func unspace(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFrameVectors pins each field (interop §10).
func TestFrameVectors(t *testing.T) {
	key := MasterKey(nil)
	const hexKey = "850bf1071c5e3d8c24235676f8816ae0cbe2f14f"
	d, _ := NewDigester(bk.DigestCRC32C, nil)
	stored := append(d.AppendHead(nil, Header{Ledger: 7, Entry: 3, LAC: 2, Length: 20}, nil, []byte("hello")), "hello"...)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"add", append(AppendAddRequest(nil, 0, &key, len(stored)), stored...),
			"00000041 02010000" + hexKey + "0000000000000007 0000000000000003 0000000000000002 0000000000000014 e9857074 68656c6c6f"},
		{"recovery add", AppendAddRequest(nil, bk.FlagRecoveryAdd|bk.FlagHighPriority, &key, len(stored)), "00000041 02010006" + hexKey},
		{"answer to an add", AppendResponse(nil, 2, OpAdd, bk.OK, 7, 3, 0), "00000018 02010000 00000000 0000000000000007 0000000000000003"},
		{"read", AppendRead(nil, 0, 7, 3, &key), "00000014 02020000 0000000000000007 0000000000000003"},
		{"fencing read", AppendRead(nil, bk.FlagFence, 7, bk.NoEntry, &key), "00000028 02020001 0000000000000007 ffffffffffffffff" + hexKey},
		{"recovery read", AppendRead(nil, bk.FlagFence|bk.FlagHighPriority, 7, 3, &key), "00000028 02020005 0000000000000007 0000000000000003" + hexKey},
		{"batched read", AppendBatchRead(nil, 0, 7, 3, 99, 10, 1<<20, &key),
			"00000028 02070000 0000000000000007 0000000000000003 0000000000000063 0000000a 0000000000100000"},
		{"no authentication", AppendAuthDisabled(nil, 2), "0000001a 02030000 0a12" + hex.EncodeToString([]byte("AuthDisabledPlugin")) + "1200"},
		{"limbo", AppendResponse(nil, 2, OpRead, bk.ErrLimbo, 7, 3, 0), "00000018 02020000 00000065 0000000000000007 0000000000000003"},
	} {
		if want := unspace(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n%x, want\n%x", c.name, c.got, want)
		}
	}
}

// TestCodes: what a version-2 peer is told it knows, and what it tells is taken for what it is.
func TestCodes(t *testing.T) {
	for c := bk.Code(0); c < 300; c++ {
		sent := CodeToV2(c)
		if !knownToV2(sent) || sent == bk.ErrLimbo {
			t.Errorf("%d is sent as %d", c, sent)
		}
		if knownToV2(c) && (sent != c || codeFromV2(int32(c)) != c) {
			t.Errorf("%d is sent as %d and received as %d", c, sent, codeFromV2(int32(c)))
		}
		if c != bk.OK && sent == bk.OK {
			t.Errorf("%d is sent as OK", c)
		}
	}
	for _, n := range []int32{-1, 3, 99, 108, 1 << 30} {
		if got := codeFromV2(n); got != bk.ErrIO {
			t.Errorf("%d is received as %v", n, got)
		}
	}
}

// TestRequestsRefused has what ends a connection, or is answered without being done.
func TestRequestsRefused(t *testing.T) {
	key := MasterKey(nil)
	add := append(AppendAddRequest(nil, 0, &key, 36), make([]byte, 36)...)[4:]
	fence := AppendRead(nil, bk.FlagFence, 7, 3, &key)[4:]
	batch := AppendBatchRead(nil, 0, 7, 3, 1, 2, 3, &key)[4:]
	with := func(frame []byte, at int, b byte) []byte {
		frame = bytes.Clone(frame)
		frame[at] = b
		return frame
	}
	for _, c := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"empty", nil, ErrFrameCut},
		{"header cut", add[:3], ErrFrameCut},
		{"add without ids", add[:4+20+15], ErrFrameCut},
		{"read without ids", fence[:4+15], ErrFrameCut},
		{"key cut", fence[:4+16+19], ErrFrameCut},
		{"batch cut", batch[:len(batch)-1], ErrFrameCut},
		{"READ_LAC", with(add, 1, 4), ErrOpcode},
		{"opcode 0", with(add, 1, 0), ErrOpcode},
		{"opcode 200", with(add, 1, 200), ErrOpcode},
		{"historic opcode 513", append(unspace(t, "00000201"), add[4:]...), ErrOpcode},
	} {
		if _, err := DecodeRequest(c.frame); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if r, err := DecodeRequest(with(fence, 0, 3)); err != nil || r.Known() || r.Ledger != 7 || r.Entry != 3 {
		t.Errorf("version 3 in a header: %+v, %v", r, err)
	}
	if r, err := DecodeRequest(fence[:20]); err != nil || r.MasterKey != [20]byte{} {
		t.Errorf("fencing read without a key: %+v, %v", r, err)
	}
	if r, err := DecodeRequest(with(fence, 0, 1)); err != nil || r.MasterKey != [20]byte{} || !r.Known() {
		t.Errorf("fencing read of version 1: %+v, %v", r, err)
	}
	if r, err := DecodeRequest(append(unspace(t, "00000002"), fence[4:]...)); err != nil || r.Op != OpRead || r.Flags != 0 {
		t.Errorf("read of version 0: %+v, %v", r, err)
	}
}

func TestFrameLen(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want int
		err  error
	}{
		{"", -1, nil}, {"000000", -1, nil}, {"00000004", 4, nil}, {"00000064", 100, nil},
		{"00000003", 0, ErrFrameLength}, {"00000065", 0, ErrFrameLength}, {"80000000", 0, ErrFrameLength}, {"ffffffff", 0, ErrFrameLength},
	} {
		if n, err := FrameLen(unspace(t, c.hex), 100); n != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v", c.hex, n, err)
		}
	}
}

// TestRPCAddress is how a client finds a bookie (interop §4.6).
func TestRPCAddress(t *testing.T) {
	for _, c := range []struct {
		id   string
		info ServiceInfo
		want string
	}{
		{"b1", ServiceInfo{Endpoints: []Endpoint{{ID: "httpserver", Host: "h", Port: 8000, Protocol: "http"}, RPCEndpoint("h", 3181)}}, "h:3181"},
		{"b1", ServiceInfo{Endpoints: []Endpoint{RPCEndpoint("::1", 3181)}}, "[::1]:3181"},
		{"192.0.2.1:3181", ServiceInfo{}, "192.0.2.1:3181"},
		{"b1", ServiceInfo{}, ""},
		{"b1:0", ServiceInfo{}, ""},
		{"b1:99999", ServiceInfo{}, ""},
		{"192.0.2.1:3181", ServiceInfo{Endpoints: []Endpoint{{Protocol: "http", Host: "h", Port: 1}}}, ""},
		{"192.0.2.1:3181", ServiceInfo{Properties: map[string]string{"strobe": "in-process"}}, ""},
		{"b1", ServiceInfo{Endpoints: []Endpoint{RPCEndpoint("h", 70000)}}, ""},
	} {
		if got, ok := c.info.RPCAddress(c.id); got != c.want || ok != (c.want != "") {
			t.Errorf("%s with %+v: %q, %v", c.id, c.info, got, ok)
		}
	}
}

// TestV3Refused: a client of version 3 is told, in its own words, that this is not spoken.
func TestV3Refused(t *testing.T) {
	for _, c := range []struct{ request, want string }{
		{"0a06080310071802c206020867", "0000000b 0a06080310071802 10f703"}, // READ_LAC, transaction 2: 503
		{"0a06080310091807", "0000000b 0a06080310091807 109403"},           // START_TLS, transaction 7: 404
	} {
		got, err := AppendV3Refusal(nil, unspace(t, c.request))
		if err != nil || !bytes.Equal(got, unspace(t, c.want)) {
			t.Errorf("%s: %x, %v", c.request, got, err)
		}
	}
	for _, bad := range []string{"0a", "0a00", "0a06080310", "1207"} {
		if got, err := AppendV3Refusal(nil, unspace(t, bad)); err == nil {
			t.Errorf("%s: %x", bad, got)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, r := range recordedFrames(f) {
		f.Add(r.frame[4:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if out, err := AppendV3Refusal(nil, frame); err == nil && len(out) > MaxV3Refusal {
			t.Errorf("refusal of %d bytes", len(out))
		}
		r, err := DecodeRequest(frame)
		if err != nil {
			return
		}
		if r.Op == OpAdd && (r.Stored > len(frame)-16 || r.Ledger != int64At(frame, r.Stored) || r.Entry != int64At(frame, r.Stored+8)) {
			t.Errorf("stored entry at %d of %d", r.Stored, len(frame))
		}
		if BatchCount(r.MaxCount) <= 0 {
			t.Errorf("%d entries", BatchCount(r.MaxCount))
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, r := range recordedFrames(f) {
		f.Add(r.frame[4:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := DecodeResponse(frame)
		if err != nil {
			return
		}
		if r.Body > len(frame) {
			t.Fatalf("body at %d of %d", r.Body, len(frame))
		}
		for at := r.Body; ; {
			from, to, ok, err := NextInBatch(frame, at)
			if err != nil || !ok {
				break
			}
			if from <= at || to < from || to > len(frame) {
				t.Fatalf("entry %d to %d behind %d of %d", from, to, at, len(frame))
			}
			at = to
		}
	})
}

func TestHello(t *testing.T) {
	frame := AppendHello(nil, "5c7f926d-7155-406e-bd85-c0e3e1331e5a")
	if r, err := DecodeRequest(frame[4:]); err != nil || r.Op != OpAuth || r.Version != V2 {
		t.Errorf("%+v, %v", r, err)
	}
	if id, ok := DecodeHello(frame[4:]); !ok || id != "5c7f926d-7155-406e-bd85-c0e3e1331e5a" || len(frame) > MaxHello {
		t.Errorf("%q, %t", id, ok)
	}
	for _, other := range [][]byte{nil, {2, 3, 0, 0}, AppendAuthDisabled(nil, V2)[4:], frame[4 : len(frame)-1], append(frame[4:len(frame):len(frame)], make([]byte, 1000)...)} {
		if id, ok := DecodeHello(other); ok {
			t.Errorf("%x looks for %q", other, id)
		}
	}
}

func FuzzDecodeHello(f *testing.F) {
	f.Add(AppendHello(nil, "b")[4:])
	f.Add(AppendAuthDisabled(nil, V2)[4:])
	f.Fuzz(func(t *testing.T, frame []byte) {
		if id, ok := DecodeHello(frame); ok && len(id) > MaxHello {
			t.Error(len(id))
		}
	})
}
