package bk

// Add is one entry on its way into a ledger. Adds are pooled by their owner and linked through Next while they wait, so
// that a publish allocates nothing. The payload of the entry is Head followed by Body; Head is what the broker prepends
// (broker entry metadata) and may be empty.
//
// Whoever submits an Add lends Head and Body until Done; the ledger retains Body for as long as a bookie needs it.
type Add struct {
	Next *Add // for whoever holds the Add; nil when it is handed on

	Head []byte
	Body Buf

	Entry int64 // set by the ledger at submission: the entry id
	Err   error // set before completion: nil, or why the entry is not known to be durable

	Done AddsDone
	Ctx  any // the owner's own; the ledger does not look at it
}

// Len is the size of the entry's payload in bytes.
func (a *Add) Len() int { return len(a.Head) + len(a.Body.B) }

// AddsDone is told of finished adds: each exactly once, those of one ledger in entry order, off every lock of the ledger,
// on the ledger's completing goroutine, in lists as long as one sync made them. It must not block. The slice belongs to
// the caller; the Adds belong to the callee again.
type AddsDone interface {
	AddsDone(done []*Add)
}

// Entry is one entry read back. Payload holds what was added (Head and Body joined), without BookKeeper's header and
// digest. The reader owns a reference and must Release it.
type Entry struct {
	Ledger  int64
	Entry   int64
	Payload Buf
}

// RecordKind says what a Record of a bookie's log is.
type RecordKind uint8

const (
	RecordEntry       RecordKind = 1 // Head and Body are the stored entry: header, digest, payload
	RecordMasterKey   RecordKind = 2 // Head is the ledger's 20-byte master key; precedes the ledger's first entry
	RecordFence       RecordKind = 3 // the ledger is fenced from here on
	RecordExplicitLAC RecordKind = 4 // Head is the explicit-LAC packet
	RecordDelete      RecordKind = 5 // the ledger is deleted on this bookie
)

// Record is one record on its way into a bookie's store. The submitter lends Head and Body until Done.
type Record struct {
	Next *Record // for whoever holds the Record

	Kind   RecordKind
	Ledger int64
	Entry  int64 // for RecordEntry
	Head   []byte
	Body   Buf

	Err  Code // set before completion
	Done RecordsDone
	Ctx  any // the submitter's own
}

// RecordsDone is told of records that are durable (or failed, see Err): each exactly once, in the order of submission, on
// the log's completing goroutine, never on the submitter's stack, in lists as long as one sync made them. It must not
// block. The slice belongs to the caller.
type RecordsDone interface {
	RecordsDone(done []*Record)
}

// LedgerState is what a bookie remembers of a ledger besides its entries.
type LedgerState struct {
	MasterKey   []byte // 20 bytes; empty: not yet known
	Fenced      bool
	Limbo       bool // the bookie may have lost entries of it: absence must be answered with ErrLimbo
	ExplicitLAC []byte
}

// BookieAdd is one entry on its way to one bookie. Head is the entry's header and digest (and what the broker prepends),
// Body the payload; the stored entry is Head followed by Body.
type BookieAdd struct {
	Next *BookieAdd // for whoever holds it

	Ledger    int64
	Entry     int64
	Flags     Flags
	MasterKey [20]byte
	Head      []byte
	Body      Buf

	Err  Code // set before completion
	Done BookieAddsDone
	Ctx  any

	Record Record // room for the store's record of this add, used by a bookie in the same process
}

// BookieAddsDone is told of finished adds of one bookie, in lists, exactly once each, in order per ledger, on a completing goroutine.
// Only what never reached the bookie (ErrTooMany, ErrUnavailable) is told at once, before what is still on its way.
// It must not block. The slice belongs to the caller.
type BookieAddsDone interface {
	BookieAddsDone(done []*BookieAdd)
}

// BookieRead asks one bookie for entries.
type BookieRead struct {
	Ledger    int64
	First     int64
	Last      int64
	MaxBytes  int
	Flags     Flags
	MasterKey [20]byte // looked at with FlagFence
}
