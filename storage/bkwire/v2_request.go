package bkwire

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/strobemq/strobe/storage/bk"
)

// Request is one request of version 2. Behind the length prefix and the header (version byte, opcode byte, flags short) lie
//
//	ADDENTRY          master key [20], stored entry (ledger id, entry id, …)
//	READENTRY         ledger long, entry long; master key [20] when it fences
//	BATCH_READ_ENTRY  ledger long, first entry long, request id long, entries int, bytes long; master key [20] when it fences
//	AUTH              AuthMessage
//
// What comes behind that is ignored.
type Request struct {
	Version   uint8
	Op        Op
	Flags     bk.Flags
	Ledger    int64
	Entry     int64
	MasterKey [MasterKeyLen]byte // zero: none was sent

	// Stored is, for OpAdd, where in the frame the stored entry begins; it ends with the frame.
	Stored int

	// Of OpBatchRead: the id that the answer repeats, and the most entries (0 or less: any number) and bytes it may have,
	// counted as BatchLen does.
	ID       int64
	MaxCount int32
	MaxBytes int64
}

// minStored is what a bookie looks at of a stored entry: ledger and entry id.
const minStored = idsLen

// DecodeRequest reads a frame without its length prefix. It keeps no part of it and allocates nothing, but for errors:
// ErrOpcode and ErrFrameCut.
func DecodeRequest(frame []byte) (Request, error) {
	var r Request
	if len(frame) < packetLen {
		return r, fmt.Errorf("%w: %d bytes", ErrFrameCut, len(frame))
	}
	var err error
	if r.Version, r.Op, r.Flags, err = parsePacket(binary.BigEndian.Uint32(frame)); err != nil {
		return r, err
	}
	body := frame[packetLen:]
	need := 0
	switch r.Op {
	case OpAdd:
		need = MasterKeyLen + minStored
	case OpRead:
		need = idsLen
	case OpBatchRead:
		need = idsLen + 20
	case OpAuth:
	default:
		return r, fmt.Errorf("%w: version %d, %v", ErrOpcode, r.Version, r.Op)
	}
	if len(body) < need {
		return r, fmt.Errorf("%w: %v of %d bytes", ErrFrameCut, r.Op, len(frame))
	}
	switch r.Op {
	case OpAdd:
		copy(r.MasterKey[:], body)
		r.Stored = packetLen + MasterKeyLen
		r.Ledger, r.Entry = int64At(body, MasterKeyLen), int64At(body, MasterKeyLen+8)
	case OpRead, OpBatchRead:
		r.Ledger, r.Entry = int64At(body, 0), int64At(body, 8)
		if r.Op == OpBatchRead {
			r.ID = int64At(body, 16)
			r.MaxCount = int32(binary.BigEndian.Uint32(body[24:]))
			r.MaxBytes = int64At(body, 28)
		}
		// Version 1 had fencing reads without a key; they are refused like any that shows none.
		if key := body[need:]; r.Flags&bk.FlagFence != 0 && r.Version >= V2 && len(key) > 0 {
			if len(key) < MasterKeyLen {
				return r, fmt.Errorf("%w: master key of %d bytes", ErrFrameCut, len(key))
			}
			copy(r.MasterKey[:], key)
		}
	}
	return r, nil
}

// Known reports whether the request's version is one that a bookie of version 2 takes; it answers others with bk.ErrBadVersion.
func (r *Request) Known() bool { return r.Version <= V2 }

// AddRequestHead is the size of what AppendAddRequest appends.
const AddRequestHead = lengthLen + packetLen + MasterKeyLen

// AppendAddRequest appends the part of an add that precedes the stored entry, of which there are n bytes.
func AppendAddRequest(dst []byte, flags bk.Flags, key *[MasterKeyLen]byte, n int) []byte {
	dst = appendPacket(dst, V2, OpAdd, flags, MasterKeyLen+n)
	return append(dst, key[:]...)
}

// MaxReadRequest is the size of the largest of AppendRead's and AppendBatchRead's.
const MaxReadRequest = lengthLen + packetLen + idsLen + 20 + MasterKeyLen

// AppendRead appends a read of one entry; key is sent when flags say fence.
func AppendRead(dst []byte, flags bk.Flags, ledger, entry int64, key *[MasterKeyLen]byte) []byte {
	dst = appendPacket(dst, V2, OpRead, flags, idsLen+keyLen(flags))
	dst = appendIDs(dst, ledger, entry)
	return appendKey(dst, flags, key)
}

// AppendBatchRead appends a batched read of at most count entries and so many bytes, counted as BatchLen does.
func AppendBatchRead(dst []byte, flags bk.Flags, ledger, first, id int64, count int32, bytes int64, key *[MasterKeyLen]byte) []byte {
	dst = appendPacket(dst, V2, OpBatchRead, flags, idsLen+20+keyLen(flags))
	dst = appendIDs(dst, ledger, first)
	dst = binary.BigEndian.AppendUint64(dst, uint64(id))
	dst = binary.BigEndian.AppendUint32(dst, uint32(count))
	dst = binary.BigEndian.AppendUint64(dst, uint64(bytes))
	return appendKey(dst, flags, key)
}

// BatchLen is the size of an answer to a batched read, its length prefix included, as bookies count it against the bytes
// asked for.
func BatchLen(entries int, stored int64) int64 { return batchBase + 4*int64(entries) + stored }

const batchBase = 24 + 8 + 4

// BatchCount is how many entries a request of count asks for at most.
func BatchCount(count int32) int64 {
	if count <= 0 {
		return math.MaxInt32
	}
	return int64(count)
}

func appendIDs(dst []byte, ledger, entry int64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(ledger))
	return binary.BigEndian.AppendUint64(dst, uint64(entry))
}

func keyLen(flags bk.Flags) int {
	if flags&bk.FlagFence != 0 {
		return MasterKeyLen
	}
	return 0
}

func appendKey(dst []byte, flags bk.Flags, key *[MasterKeyLen]byte) []byte {
	if flags&bk.FlagFence != 0 {
		dst = append(dst, key[:]...)
	}
	return dst
}
