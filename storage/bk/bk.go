// Package bk is the vocabulary of storage: ledger ids, positions, quorums, result codes, the operations that travel down
// the rooms, and the seam between managed ledgers and the ledger client. It imports nothing of this module, so that
// neighbours never import each other.
//
// The names and numbers are Apache BookKeeper's (protocol 4.17).
package bk

import (
	"cmp"
	"math"
	"strconv"
)

// NoEntry is the entry id that stands for "before the first entry" in a Position, and for "your last entry" in a read
// from a bookie.
const NoEntry int64 = -1

// Position addresses one entry: the ledger and the entry in it. Entry may be NoEntry: before the first entry of Ledger.
type Position struct {
	Ledger int64
	Entry  int64
}

var (
	// Earliest is before every entry.
	Earliest = Position{Ledger: -1, Entry: -1}
	// Latest is behind every entry.
	Latest = Position{Ledger: math.MaxInt64, Entry: math.MaxInt64}
)

// Compare orders positions by ledger, then by entry.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Ledger, q.Ledger); c != 0 {
		return c
	}
	return cmp.Compare(p.Entry, q.Entry)
}

// Less reports whether p is before q.
func (p Position) Less(q Position) bool { return p.Compare(q) < 0 }

// String is "ledger:entry", the form Pulsar's statistics print.
func (p Position) String() string {
	return strconv.FormatInt(p.Ledger, 10) + ":" + strconv.FormatInt(p.Entry, 10)
}

// Digest is the checksum that every stored entry carries; the numbers are those of ledger metadata.
type Digest int32

const (
	DigestCRC32  Digest = 1 // 8 bytes, IEEE
	DigestMAC    Digest = 2 // 20 bytes, HMAC-SHA1 keyed by the password
	DigestCRC32C Digest = 3 // 4 bytes, Castagnoli; Pulsar's default
	DigestDummy  Digest = 4 // none
)

// Quorum says on how many bookies a ledger lies: Ensemble bookies share the entries, each entry goes to Write of them and
// is acknowledged when Ack of them have it on disk.
type Quorum struct {
	Ensemble int
	Write    int
	Ack      int
}

// Flags of an add or a read, with the bits of BookKeeper's v2 header.
type Flags uint16

const (
	FlagFence        Flags = 1 // the read fences the ledger first
	FlagRecoveryAdd  Flags = 2 // the add passes a fence: a recoverer repairs the tail
	FlagHighPriority Flags = 4
)

// Code is the result of one operation on a bookie or a ledger. It is an error; the zero value is no error and must be
// turned into nil (see Err). The numbers up to 107 are those of BookKeeper's v2 protocol.
type Code int32

const (
	OK               Code = 0
	ErrNoLedger      Code = 1   // the bookie, or the metadata, does not know the ledger
	ErrNoEntry       Code = 2   // the ledger is known, the entry is not there
	ErrBadRequest    Code = 100 // the request makes no sense
	ErrIO            Code = 101 // the device failed, or the bytes are damaged
	ErrUnauthorized  Code = 102 // another master key
	ErrBadVersion    Code = 103 // a protocol or metadata version conflict
	ErrFenced        Code = 104 // somebody recovers or has recovered the ledger: its writer must stop
	ErrReadOnly      Code = 105 // the bookie takes no writes now
	ErrTooMany       Code = 106 // the bookie's queue is full: slow down
	ErrLimbo         Code = 107 // the bookie may have lost entries of this ledger: absence proves nothing (never sent over v2)
	ErrTimeout       Code = 201 // no answer in time; the operation may have happened
	ErrUnavailable   Code = 202 // the bookie cannot be reached
	ErrClosed        Code = 203 // the handle was closed
	ErrNotEnough     Code = 204 // not enough bookies for the quorum asked for
	ErrDigest        Code = 205 // the entry's checksum does not match on any replica
	ErrLedgerClosed  Code = 206 // the ledger's metadata says CLOSED
	ErrLedgerExists  Code = 207 // a ledger of that id exists
	ErrRecovery      Code = 208 // the ledger's end could not be established; nothing was changed
	ErrMetadata      Code = 209 // the metadata store failed or its answer is unknown
	ErrEntryTooLarge Code = 210 // the entry exceeds what a frame or a segment takes
)

var codeTexts = map[Code]string{
	OK: "ok", ErrNoLedger: "no such ledger", ErrNoEntry: "no such entry", ErrBadRequest: "bad request", ErrIO: "input/output error",
	ErrUnauthorized: "wrong master key", ErrBadVersion: "version conflict", ErrFenced: "ledger fenced", ErrReadOnly: "bookie is read-only",
	ErrTooMany: "too many requests", ErrLimbo: "ledger state unknown", ErrTimeout: "timed out", ErrUnavailable: "bookie unavailable",
	ErrClosed: "handle closed", ErrNotEnough: "not enough bookies", ErrDigest: "digest mismatch", ErrLedgerClosed: "ledger closed",
	ErrLedgerExists: "ledger exists", ErrRecovery: "ledger recovery failed", ErrMetadata: "metadata store failed",
	ErrEntryTooLarge: "entry too large",
}

// Error is a short lower-case text; coordinates are added by whoever wraps the code.
func (c Code) Error() string {
	if t, ok := codeTexts[c]; ok {
		return t
	}
	return "result code " + strconv.Itoa(int(c))
}

// Err is nil for OK and c otherwise.
func (c Code) Err() error {
	if c == OK {
		return nil
	}
	return c
}
