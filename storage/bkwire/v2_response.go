package bkwire

import (
	"encoding/binary"
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
)

// Response is one answer of version 2. Behind the length prefix and the header, which repeats version and opcode of the request, lie
//
//	ADDENTRY          code int, ledger long, entry long
//	READENTRY         code int, ledger long, entry long, and with code 0 the stored entry
//	BATCH_READ_ENTRY  code int, ledger long, entry long, request id long, and for each entry its length int and the stored entry
//	AUTH              AuthMessage
//
// There is no transaction id: whoever asks the same twice takes any of the two answers for either.
type Response struct {
	Version uint8
	Op      Op
	Code    bk.Code
	Ledger  int64
	Entry   int64 // as in the request: bk.NoEntry for the last
	ID      int64 // of OpBatchRead
	Body    int   // where in the frame the stored entry, or the list of them, begins
}

// DecodeResponse reads a frame without its length prefix. It keeps no part of it and allocates nothing, but for errors:
// ErrOpcode and ErrFrameCut.
func DecodeResponse(frame []byte) (Response, error) {
	var r Response
	if len(frame) < packetLen {
		return r, fmt.Errorf("%w: %d bytes", ErrFrameCut, len(frame))
	}
	var err error
	if r.Version, r.Op, _, err = parsePacket(binary.BigEndian.Uint32(frame)); err != nil {
		return r, err
	}
	switch r.Op {
	case OpAdd, OpRead:
		r.Body = packetLen + 4 + idsLen
	case OpBatchRead:
		r.Body = packetLen + 4 + idsLen + 8
	case OpAuth:
		r.Body = packetLen
		return r, nil
	default:
		return r, fmt.Errorf("%w: version %d, %v", ErrOpcode, r.Version, r.Op)
	}
	if len(frame) < r.Body {
		return r, fmt.Errorf("%w: answer to %v of %d bytes", ErrFrameCut, r.Op, len(frame))
	}
	r.Code = codeFromV2(int32(binary.BigEndian.Uint32(frame[4:])))
	r.Ledger, r.Entry = int64At(frame, 8), int64At(frame, 16)
	if r.Op == OpBatchRead {
		r.ID = int64At(frame, 24)
	}
	return r, nil
}

// NextInBatch is where the next stored entry of a batch lies in frame when the former ended at at, or the list began there;
// false when there is none. ErrFrameCut when it is not all there.
func NextInBatch(frame []byte, at int) (from, to int, ok bool, err error) {
	if at == len(frame) {
		return 0, 0, false, nil
	}
	if len(frame)-at < 4 {
		return 0, 0, false, fmt.Errorf("%w: batch", ErrFrameCut)
	}
	n := int64(int32(binary.BigEndian.Uint32(frame[at:])))
	from = at + 4
	if n < 0 || n > int64(len(frame)-from) {
		return 0, 0, false, fmt.Errorf("%w: entry of %d bytes in a batch", ErrFrameCut, n)
	}
	return from, from + int(n), true, nil
}

// ResponseHead is the size of an answer to an add or a read without the stored entry, BatchHead that of one to a batched read.
const (
	ResponseHead = lengthLen + packetLen + 4 + idsLen
	BatchHead    = ResponseHead + 8
)

// AppendResponse appends the answer to an add or a read; with code OK a read's is followed by the n bytes of the stored entry.
func AppendResponse(dst []byte, version uint8, op Op, code bk.Code, ledger, entry int64, n int) []byte {
	dst = appendPacket(dst, version, op, 0, 4+idsLen+n)
	dst = binary.BigEndian.AppendUint32(dst, uint32(CodeToV2(code)))
	return appendIDs(dst, ledger, entry)
}

// AppendBatchResponse appends the beginning of the answer to a batched read. For each of its entries, which have so many
// bytes together, AppendBatchEntry and the stored entry follow.
func AppendBatchResponse(dst []byte, version uint8, code bk.Code, ledger, first, id int64, entries, stored int) []byte {
	dst = appendPacket(dst, version, OpBatchRead, 0, 4+idsLen+8+4*entries+stored)
	dst = binary.BigEndian.AppendUint32(dst, uint32(CodeToV2(code)))
	dst = appendIDs(dst, ledger, first)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// BatchEntryHead is the size of what AppendBatchEntry appends.
const BatchEntryHead = 4

// AppendBatchEntry appends what precedes a stored entry of n bytes in a batch.
func AppendBatchEntry(dst []byte, n int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) }
