package bkwire

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/strobemq/strobe/storage/bk"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digester packs and verifies the entries of one ledger. Its zero value is no digester; see NewDigester. Safe for
// concurrent use.
type Digester struct {
	kind bk.Digest
	size int
	mac  [sha1.Size]byte // the key of DigestMAC
}

// NewDigester returns the digester for a ledger of that digest and password; bk.ErrBadRequest for a digest that does not
// exist.
func NewDigester(kind bk.Digest, password []byte) (Digester, error) {
	d := Digester{kind: kind}
	switch kind {
	case bk.DigestCRC32:
		d.size = 8
	case bk.DigestMAC:
		d.size = sha1.Size
		d.mac = macKey(password)
	case bk.DigestCRC32C:
		d.size = 4
	case bk.DigestDummy:
	default:
		return Digester{}, fmt.Errorf("digest type %d: %w", kind, bk.ErrBadRequest)
	}
	return d, nil
}

// Overhead is how many bytes lie before the payload of a stored entry: header and digest.
func (d *Digester) Overhead() int { return HeaderLen + d.size }

// AppendHead appends to dst everything of a stored entry that precedes body: header, digest, and prefix, which is the first
// part of the payload. The stored entry is the appended bytes followed by body. Nothing is allocated when dst has room
// (but for DigestMAC).
func (d *Digester) AppendHead(dst []byte, h Header, prefix, body []byte) []byte {
	at := len(dst)
	dst = append(dst, zeros[:d.Overhead()]...)
	dst = append(dst, prefix...)
	head := dst[at:]
	h.put(head)
	d.sum(head[HeaderLen:HeaderLen+d.size], head[:HeaderLen], head[HeaderLen+d.size:], body)
	return dst
}

var zeros [HeaderLen + sha1.Size]byte

// sum writes the digest over the three parts into out, which has the digest's size.
func (d *Digester) sum(out, header, prefix, body []byte) {
	switch d.kind {
	case bk.DigestCRC32C:
		binary.BigEndian.PutUint32(out, crcOf(castagnoli, header, prefix, body))
	case bk.DigestCRC32:
		binary.BigEndian.PutUint64(out, uint64(crcOf(crc32.IEEETable, header, prefix, body)))
	case bk.DigestMAC:
		m := hmac.New(sha1.New, d.mac[:])
		m.Write(header)
		m.Write(prefix)
		m.Write(body)
		copy(out, m.Sum(nil))
	}
}

func crcOf(table *crc32.Table, header, prefix, body []byte) uint32 {
	crc := crc32.Update(0, table, header)
	crc = crc32.Update(crc, table, prefix)
	return crc32.Update(crc, table, body)
}

// Verify checks a stored entry (interop §2.5): its digest, and that it is the entry asked for; entry bk.NoEntry accepts any.
// It returns the header and the payload, which is a part of stored. bk.ErrDigest when anything is wrong.
func (d *Digester) Verify(ledger, entry int64, stored []byte) (Header, []byte, error) {
	if len(stored) < d.Overhead() {
		return Header{}, nil, fmt.Errorf("%d bytes: %w", len(stored), bk.ErrDigest)
	}
	payload := stored[d.Overhead():]
	var want [sha1.Size]byte
	d.sum(want[:d.size], stored[:HeaderLen], nil, payload)
	if !hmac.Equal(want[:d.size], stored[HeaderLen:d.Overhead()]) {
		return Header{}, nil, bk.ErrDigest
	}
	h, err := DecodeHeader(stored)
	if err != nil {
		return Header{}, nil, err
	}
	if h.Ledger != ledger || entry != bk.NoEntry && h.Entry != entry {
		return Header{}, nil, fmt.Errorf("entry %d:%d stored as %d:%d: %w", h.Ledger, h.Entry, ledger, entry, bk.ErrDigest)
	}
	return h, payload, nil
}

// explicitLACLen is the size of an explicit-LAC packet without its digest.
const explicitLACLen = 16

// AppendExplicitLAC appends the packet by which a writer tells its last-add-confirmed apart from entries: ledger id, LAC,
// digest over both (interop §2.4).
func (d *Digester) AppendExplicitLAC(dst []byte, ledger, lac int64) []byte {
	at := len(dst)
	dst = append(dst, zeros[:explicitLACLen+d.size]...)
	p := dst[at:]
	binary.BigEndian.PutUint64(p[0:], uint64(ledger))
	binary.BigEndian.PutUint64(p[8:], uint64(lac))
	d.sum(p[explicitLACLen:], p[:explicitLACLen], nil, nil)
	return dst
}

// VerifyExplicitLAC checks such a packet and returns its LAC; bk.ErrDigest when anything is wrong.
func (d *Digester) VerifyExplicitLAC(ledger int64, packet []byte) (lac int64, err error) {
	if len(packet) != explicitLACLen+d.size {
		return 0, fmt.Errorf("explicit LAC of %d bytes: %w", len(packet), bk.ErrDigest)
	}
	var want [sha1.Size]byte
	d.sum(want[:d.size], packet[:explicitLACLen], nil, nil)
	if !hmac.Equal(want[:d.size], packet[explicitLACLen:]) || int64(binary.BigEndian.Uint64(packet)) != ledger {
		return 0, fmt.Errorf("explicit LAC: %w", bk.ErrDigest)
	}
	return int64(binary.BigEndian.Uint64(packet[8:])), nil
}
