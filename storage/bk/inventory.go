package bk

// BookieState is what the metadata knows of a bookie's life.
type BookieState string

const (
	BookieWritable BookieState = "writable"  // registered, takes entries
	BookieReadOnly BookieState = "read-only" // registered, serves reads alone
	BookieDown     BookieState = "down"      // known by its cookie, not registered: it does not run, or cannot reach the metadata
)

// BookieInfo is a bookie as the metadata knows it.
type BookieInfo struct {
	ID      string
	Address string // host:port where it serves ledgers; empty: in a broker's process, or not registered
	State   BookieState
	Rack    string // empty: none was given

	LastAddress string // of one that is down: where it was registered last; empty: not known
	Successor   string // of one that is down: the bookie that is registered there now; it was probably lost with its volume
}

// Rack is where an operator said that a bookie stands, in the form in which Pulsar stores it.
type Rack struct {
	Rack string `json:"rack"`
	Host string `json:"hostname"`
}

// BookieUse is what lies on a bookie by the ledgers' metadata.
type BookieUse struct {
	Ledgers int // with at least one segment on it
	Open    int // of these, not closed and with the bookie in their last segment: its failure is theirs now
	Marked  int // ledgers whose under-replication mark names the bookie
}

// BookieForgotten is what was known of a bookie that was taken out of the metadata.
type BookieForgotten struct {
	Ledgers  int // that name it
	LastCopy int // of these, ledgers of which it may have had the last copy of something: so many of their bookies are not registered
	Unread   int // ledgers whose metadata cannot be read, so that they may name it too
}

// LedgerSegment says on which bookies the entries from First on lie, up to the next segment.
type LedgerSegment struct {
	First   int64
	Bookies []string
}

// LedgerInfo is a ledger as the metadata describes it.
type LedgerInfo struct {
	ID       int64
	State    string // OPEN, IN_RECOVERY or CLOSED; empty when the metadata cannot be read
	Quorum   Quorum
	Digest   Digest
	Format   int   // version of the metadata's form
	Entries  int64 // -1 until it is closed: only its writer knows
	Bytes    int64 // payload; -1 until it is closed
	Created  int64 // ms since 1970; 0: not stored
	Segments []LedgerSegment
	Custom   map[string]string // custom metadata: what the ledger is for

	Marked  bool     // an under-replication mark waits for a repair
	Missing []string // the bookies that the mark names; none: the ledger was made on too few
	Damaged string   // why the metadata or the mark cannot be read
	Newer   bool     // because a later version wrote it
}
