package admin

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

const (
	// defaultLedgers and maxLedgers are how many ledgers one answer lists.
	defaultLedgers = 1000
	maxLedgers     = 10_000
)

// ledgerInfo is a ledger under /strobe/v1. What only its writer knows is missing while it is open.
type ledgerInfo struct {
	ID              int64             `json:"id"`
	State           string            `json:"state"` // OPEN, IN_RECOVERY, CLOSED
	Entries         *int64            `json:"entries,omitempty"`
	Bytes           *int64            `json:"bytes,omitempty"`
	Ensemble        int               `json:"ensemble"`
	WriteQuorum     int               `json:"writeQuorum"`
	AckQuorum       int               `json:"ackQuorum"`
	Digest          string            `json:"digest"`
	Format          int               `json:"format"` // of the metadata
	Created         string            `json:"created,omitempty"`
	Topic           string            `json:"topic,omitempty"`        // whose messages, or with a subscription whose positions, it holds
	Subscription    string            `json:"subscription,omitempty"` // whose positions it holds
	Schema          string            `json:"schema,omitempty"`       // it holds a version of this schema
	Custom          map[string]string `json:"customMetadata,omitempty"`
	Segments        []ledgerSegment   `json:"segments"`
	UnderReplicated bool              `json:"underReplicated"`
	Missing         []string          `json:"missingOn,omitempty"` // bookies that lack entries, as far as somebody noticed
	Damaged         string            `json:"damaged,omitempty"`   // why the metadata cannot be read
}

// ledgerSegment says where the entries from First on lie, up to the next segment.
type ledgerSegment struct {
	First   int64    `json:"firstEntry"`
	Bookies []string `json:"bookies"`
}

// ledgerPlace is what metadata=true adds to a ledger of internalStats: Pulsar's two fields, and the same in a form for programs.
type ledgerPlace struct {
	Metadata        string          `json:"metadata"`
	UnderReplicated bool            `json:"underReplicated"`
	State           string          `json:"state"`
	Segments        []ledgerSegment `json:"segments"`
}

var digests = map[bk.Digest]string{bk.DigestCRC32: "CRC32", bk.DigestMAC: "MAC", bk.DigestCRC32C: "CRC32C", bk.DigestDummy: "DUMMY"}

func toLedger(l bk.LedgerInfo) ledgerInfo {
	out := ledgerInfo{
		ID: l.ID, State: l.State, Ensemble: l.Quorum.Ensemble, WriteQuorum: l.Quorum.Write, AckQuorum: l.Quorum.Ack, Digest: digests[l.Digest],
		Format: l.Format, Custom: l.Custom, Segments: toSegments(l), UnderReplicated: l.Marked, Missing: l.Missing, Damaged: l.Damaged,
		Subscription: l.Custom["pulsar/cursor"], Schema: l.Custom["pulsar/schemaId"],
	}
	if l.Entries >= 0 {
		out.Entries, out.Bytes = &l.Entries, &l.Bytes
	}
	if l.Created > 0 {
		out.Created = time.UnixMilli(l.Created).UTC().Format(time.RFC3339)
	}
	if n, ok := topicname.OfManaged(l.Custom["pulsar/managed-ledger"]); ok {
		out.Topic = n.String()
	}
	return out
}

func toSegments(l bk.LedgerInfo) []ledgerSegment {
	list := []ledgerSegment{}
	for _, s := range l.Segments {
		list = append(list, ledgerSegment{s.First, nonNil(s.Bookies)})
	}
	return list
}

// ledgers lists ledgers by id: from (the first id), limit, bookie (an id: only ledgers on it), state (only those in it), underReplicated=true.
// The answer is {"ledgers": [...], "next": id}; next, where to go on, is missing when that was all.
func (a *API) ledgers(q *request) error {
	from, err := q.parameter("from", 0, 1<<63-1)
	if err != nil {
		return err
	}
	limit, err := q.parameter("limit", defaultLedgers, maxLedgers)
	if err != nil {
		return err
	}
	bookie, state := q.URL.Query().Get("bookie"), strings.ToUpper(q.URL.Query().Get("state"))
	if !slices.Contains([]string{"", "OPEN", "IN_RECOVERY", "CLOSED"}, state) {
		return fault.AdminParameter.New("state %.40q; want OPEN, IN_RECOVERY or CLOSED", state)
	}
	if bookie != "" {
		b, err := a.findBookie(q.Context(), bookie)
		if err != nil {
			return err
		}
		bookie = b.ID
	}
	out := struct {
		Ledgers []ledgerInfo `json:"ledgers"`
		Next    *int64       `json:"next,omitempty"`
	}{Ledgers: []ledgerInfo{}}
	err = a.o.Storage.Ledgers(q.Context(), from, func(l bk.LedgerInfo) (bool, error) {
		on := func(s bk.LedgerSegment) bool { return slices.Contains(s.Bookies, bookie) }
		switch {
		case bookie != "" && !slices.ContainsFunc(l.Segments, on), state != "" && l.State != state, q.flag("underReplicated") && !l.Marked:
			return true, nil
		case int64(len(out.Ledgers)) == limit:
			out.Next = &l.ID
			return false, nil
		}
		out.Ledgers = append(out.Ledgers, toLedger(l))
		return true, nil
	})
	if err != nil {
		return err
	}
	return q.reply(out)
}

func (a *API) ledger(q *request) error {
	id, err := strconv.ParseInt(q.PathValue("ledger"), 10, 64)
	if err != nil {
		return fault.AdminParameter.New("%.40q is no ledger id", q.PathValue("ledger"))
	}
	l, err := a.o.Storage.Ledger(q.Context(), id)
	if err != nil {
		return err
	}
	return q.reply(toLedger(l))
}

// place says where a ledger lies; nil when it has gone since it was named.
func (a *API) place(ctx context.Context, id int64) (*ledgerPlace, error) {
	l, err := a.o.Storage.Ledger(ctx, id)
	if fault.Has(err, fault.LedgerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &ledgerPlace{metadataText(l), l.Marked, l.State, toSegments(l)}, nil
}

// metadataText is a ledger's metadata as one line, in the form in which Pulsar prints it.
func metadataText(l bk.LedgerInfo) string {
	var b strings.Builder
	fmt.Fprintf(&b, "LedgerMetadata{formatVersion=%d, ensembleSize=%d, writeQuorumSize=%d, ackQuorumSize=%d, state=%s",
		l.Format, l.Quorum.Ensemble, l.Quorum.Write, l.Quorum.Ack, l.State)
	if l.Entries >= 0 {
		fmt.Fprintf(&b, ", length=%d, lastEntryId=%d", l.Bytes, l.Entries-1)
	}
	fmt.Fprintf(&b, ", digestType=%s, password=OMITTED, ensembles={", digests[l.Digest])
	for i, s := range l.Segments {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d=[%s]", s.First, strings.Join(s.Bookies, ", "))
	}
	b.WriteString("}, customMetadata={")
	keys := make([]string, 0, len(l.Custom))
	for k := range l.Custom {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(k + "=base64:" + base64.StdEncoding.EncodeToString([]byte(l.Custom[k])))
	}
	b.WriteString("}}")
	return b.String()
}

// parameter is a number in the query: at most limit, at least 1 or, where the default is 0, 0.
func (q *request) parameter(name string, def, limit int64) (int64, error) {
	text := q.URL.Query().Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < min(def, 1) || n > limit {
		return 0, fault.AdminParameter.New("%s=%.40q; want %d to %d", name, text, min(def, 1), limit)
	}
	return n, nil
}
