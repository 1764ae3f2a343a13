// Package bkwire is BookKeeper's bytes (protocol and format 4.17): stored entries with their digests, keys, ledger metadata,
// ledger paths, cookies, service info, under-replication marks, and the frames of the protocol's version 2. It does no I/O and
// holds no state.
//
// Sources: interop facts §1 (frames), §2 (entries), §4 (metadata), §10 (vectors); docs/format/ledger.md shows the bytes.
package bkwire

import (
	"encoding/binary"

	"github.com/strobemq/strobe/storage/bk"
)

// HeaderLen is the size of the header of a stored entry, without the digest.
const HeaderLen = 32

// Header is the header of a stored entry. On disk and on the wire:
//
//	offset  size
//	0       8     ledger id
//	8       8     entry id
//	16      8     last-add-confirmed that the writer knew when it sent the entry (bk.NoEntry: none)
//	24      8     payload bytes of the ledger up to and including this entry
//	32      d     digest over bytes 0..31 and the payload
//	32+d    n     payload
//
// All integers are big-endian.
type Header struct {
	Ledger int64
	Entry  int64
	LAC    int64
	Length int64
}

func (h *Header) put(b []byte) {
	_ = b[HeaderLen-1]
	binary.BigEndian.PutUint64(b[0:], uint64(h.Ledger))
	binary.BigEndian.PutUint64(b[8:], uint64(h.Entry))
	binary.BigEndian.PutUint64(b[16:], uint64(h.LAC))
	binary.BigEndian.PutUint64(b[24:], uint64(h.Length))
}

// DecodeHeader reads the header of a stored entry; it looks at nothing behind it. bk.ErrBadRequest when stored is too short.
func DecodeHeader(stored []byte) (Header, error) {
	if len(stored) < HeaderLen {
		return Header{}, bk.ErrBadRequest
	}
	return Header{
		Ledger: int64(binary.BigEndian.Uint64(stored[0:])),
		Entry:  int64(binary.BigEndian.Uint64(stored[8:])),
		LAC:    int64(binary.BigEndian.Uint64(stored[16:])),
		Length: int64(binary.BigEndian.Uint64(stored[24:])),
	}, nil
}
