package bkwire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/strobemq/strobe/storage/bk"
)

// State is a ledger's state; the numbers are those of the metadata.
type State int32

const (
	Open       State = 1
	InRecovery State = 2
	Closed     State = 3
)

// String is Apache's name of the state.
func (s State) String() string {
	switch s {
	case Open:
		return "OPEN"
	case InRecovery:
		return "IN_RECOVERY"
	case Closed:
		return "CLOSED"
	}
	return "state " + strconv.Itoa(int(s))
}

// Segment says on which bookies the entries from First on lie, up to the next segment. The place in Bookies is the
// ensemble index.
type Segment struct {
	First   int64
	Bookies []string
}

// Custom is one pair of custom metadata.
type Custom struct {
	Key   string
	Value []byte
}

// Metadata is what the metadata store holds of a ledger (interop §4.1).
type Metadata struct {
	Version  int // format version it was read in and is written in again; 0 is the newest
	Quorum   bk.Quorum
	State    State
	Length   int64 // payload bytes; says something only when CLOSED
	Last     int64 // last entry id; says something only when CLOSED
	Segments []Segment
	Digest   bk.Digest
	Password []byte
	CTime    int64 // milliseconds since 1970; 0 and -1: not stored
	Custom   []Custom
	Token    int64 // by which a creator knows its own node again; 0: none

	hasPassword bool   // an empty password was there
	unknown     []byte // fields of version 3 that a later writer added, kept
}

const (
	metadataMagic = "BookieMetadataFormatVersion\t"
	// MetadataVersion is the newest format version.
	MetadataVersion = 3

	maxMetadata   = 4 << 20 // bytes
	maxSegments   = 64 << 10
	maxBookieName = 4 << 10
)

// MaxEnsemble is the largest ensemble that is read or made: ensemble indexes fit a 64-bit set.
const MaxEnsemble = 64

var errMetadata = errors.New("not ledger metadata")

// ErrNewer is what later versions have written in a form that this one does not know. It must not be written over.
var ErrNewer = errors.New("of a newer format")

// DecodeMetadata reads ledger metadata of format version 1, 2 or 3. Nothing returned aliases data.
func DecodeMetadata(data []byte) (*Metadata, error) {
	if len(data) > maxMetadata {
		return nil, fmt.Errorf("%w: %d bytes", errMetadata, len(data))
	}
	rest, ok := bytes.CutPrefix(data, []byte(metadataMagic))
	line, rest, ended := bytes.Cut(rest, []byte("\n"))
	if !ok || !ended || len(line) > 10 {
		return nil, fmt.Errorf("%w: the first line is not the one of ledger metadata", errMetadata)
	}
	version, err := strconv.Atoi(string(line))
	if err != nil {
		return nil, fmt.Errorf("%w: format version %q", errMetadata, line)
	}
	m := &Metadata{Version: version, Last: bk.NoEntry, State: Open, Digest: bk.DigestCRC32}
	switch version {
	case 1:
		err = m.decodeLines(string(rest))
	case 2:
		err = m.decodeText(string(rest))
	case 3:
		err = m.decodeBinary(rest)
	default:
		if version > MetadataVersion {
			return nil, fmt.Errorf("format version %d: %w: up to %d are known", version, ErrNewer, MetadataVersion)
		}
		return nil, fmt.Errorf("%w: format version %d, up to %d are known", errMetadata, version, MetadataVersion)
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: format version %d: %w", errMetadata, version, err)
	}
	return m, nil
}

// check refuses metadata with which a client could do damage.
func (m *Metadata) check() error {
	q := m.Quorum
	switch {
	case q.Ensemble < 1 || q.Ensemble > MaxEnsemble || q.Write < 1 || q.Write > q.Ensemble || q.Ack < 1 || q.Ack > q.Write:
		return fmt.Errorf("quorum %d/%d/%d", q.Ensemble, q.Write, q.Ack)
	case m.State < Open || m.State > Closed:
		return fmt.Errorf("state %d", m.State)
	case m.State == Closed && (m.Last < bk.NoEntry || m.Length < 0):
		return fmt.Errorf("closed at entry %d with %d bytes", m.Last, m.Length)
	case len(m.Segments) == 0 && m.State != Closed:
		return fmt.Errorf("no segment")
	}
	for i, s := range m.Segments {
		if len(s.Bookies) != q.Ensemble {
			return fmt.Errorf("segment at %d has %d bookies of %d", s.First, len(s.Bookies), q.Ensemble)
		}
		if i == 0 && s.First != 0 || i > 0 && s.First <= m.Segments[i-1].First {
			return fmt.Errorf("segment %d begins at entry %d", i, s.First)
		}
	}
	return nil
}

// Append appends the metadata in its own format version.
func (m *Metadata) Append(dst []byte) []byte {
	version := m.Version
	if version == 0 {
		version = MetadataVersion
	}
	dst = append(strconv.AppendInt(append(dst, metadataMagic...), int64(version), 10), '\n')
	switch version {
	case 1:
		return m.appendLines(dst)
	case 2:
		return m.appendText(dst)
	}
	return m.appendBinary(dst)
}

// Clone returns a copy that shares nothing that is ever changed in place.
func (m *Metadata) Clone() *Metadata {
	c := *m
	c.Segments = make([]Segment, len(m.Segments))
	for i, s := range m.Segments {
		c.Segments[i] = Segment{First: s.First, Bookies: slices.Clone(s.Bookies)}
	}
	return &c
}

// LastSegment is the segment that new entries go to. There is always one in metadata that is not CLOSED.
func (m *Metadata) LastSegment() *Segment { return &m.Segments[len(m.Segments)-1] }

// SegmentOf is the segment in which an entry lies, and the first entry of the next one (the largest number for the last).
func (m *Metadata) SegmentOf(entry int64) (s *Segment, next int64, ok bool) {
	i, found := slices.BinarySearchFunc(m.Segments, entry, func(s Segment, e int64) int {
		switch {
		case s.First < e:
			return -1
		case s.First > e:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 {
		return nil, 0, false
	}
	next = 1<<63 - 1
	if i+1 < len(m.Segments) {
		next = m.Segments[i+1].First
	}
	return &m.Segments[i], next, true
}

// SetEnsemble makes bookies the ensemble of the entries from first on: the last segment is changed in place when it begins
// there, else one is appended (interop §3.4). It reports false when first lies before the last segment.
func (m *Metadata) SetEnsemble(first int64, bookies []string) bool {
	last := m.LastSegment()
	switch {
	case first < last.First:
		return false
	case first == last.First:
		last.Bookies = slices.Clone(bookies)
	default:
		m.Segments = append(m.Segments, Segment{First: first, Bookies: slices.Clone(bookies)})
	}
	return true
}

// SetCustom fills Custom from a map, sorted by key.
func (m *Metadata) SetCustom(pairs map[string][]byte) {
	m.Custom = make([]Custom, 0, len(pairs))
	for k, v := range pairs {
		m.Custom = append(m.Custom, Custom{Key: k, Value: bytes.Clone(v)})
	}
	slices.SortFunc(m.Custom, func(a, b Custom) int { return strings.Compare(a.Key, b.Key) })
}
