package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// topicPlace says where a topic, or a partition of one, lies.
type topicPlace struct {
	Topic   string        `json:"topic"`
	Owner   string        `json:"owner"` // the broker that serves it
	State   string        `json:"state"`
	Entries int64         `json:"entries"`
	Bytes   int64         `json:"bytes"`
	Ledgers []topicLedger `json:"ledgers"`
}

// topicLedger is one of its ledgers, oldest first.
type topicLedger struct {
	ID              int64           `json:"id"`
	State           string          `json:"state"`
	Entries         int64           `json:"entries"`
	Bytes           int64           `json:"bytes"`
	UnderReplicated bool            `json:"underReplicated"`
	Segments        []ledgerSegment `json:"segments"`
}

func (a *app) whereCommand() *cobra.Command {
	c := a.topicVerb("where", "Show which broker serves a topic, its ledgers, and the bookies that hold them", a.where)
	c.Long = "Shows the broker that serves a topic, and the chain of ledgers that holds its messages, oldest first, each with the bookies of its\n" +
		"segments: entries from FROM on lie on BOOKIES. A partitioned topic is shown partition by partition.\n\n" +
		"The owner is asked, because how much the open ledger holds only its writer knows; a topic that is not loaded is loaded for that."
	c.Example = "  strobe topics where orders\n  strobe topics where persistent://acme/shop/orders-partition-2 -o json"
	return c
}

func (a *app) where(ctx context.Context, t topicName) error {
	n, err := a.partitions(ctx, t)
	if err != nil {
		return err
	}
	names := []topicName{t}
	if n > 0 {
		names = nil
		for i := range n {
			p := t
			p.local = fmt.Sprintf("%s-partition-%d", t.local, i)
			names = append(names, p)
		}
	}
	places := make([]topicPlace, len(names))
	for i, p := range names {
		if places[i], err = a.place(ctx, p); err != nil {
			return err
		}
	}
	return a.print(places, func(w *rows) {
		head := []any{"LEDGER", "STATE", "ENTRIES", "SIZE", "FROM", "BOOKIES", "BROKER"}
		if n > 0 {
			head = append([]any{"PARTITION"}, head...)
		}
		w.add(head...)
		for i, p := range places {
			for _, cells := range p.rows() {
				if n > 0 {
					cells = append([]any{i}, cells...)
				}
				w.add(cells...)
			}
		}
	})
}

// rows is a line for each segment of each ledger.
func (p topicPlace) rows() (lines [][]any) {
	for _, l := range p.Ledgers {
		k := ledger{State: l.State, UnderReplicated: l.UnderReplicated}
		for i, s := range l.Segments {
			if i == 0 {
				lines = append(lines, []any{l.ID, k.stateText(), l.Entries, bytesText(l.Bytes), s.First, strings.Join(s.Bookies, ", "), p.Owner})
			} else {
				lines = append(lines, []any{"", "", "", "", s.First, strings.Join(s.Bookies, ", "), ""})
			}
		}
		if len(l.Segments) == 0 {
			lines = append(lines, []any{l.ID, orText(k.stateText(), "gone"), l.Entries, bytesText(l.Bytes), "-", "-", p.Owner})
		}
	}
	if len(lines) == 0 {
		why := "no ledger yet"
		if strings.HasPrefix(p.Topic, "non-persistent://") {
			why = "keeps nothing"
		}
		lines = append(lines, []any{"-", why, 0, bytesText(0), "-", "-", p.Owner})
	}
	return lines
}

// place asks for one topic without partitions. A broker that does not serve it sends us on to the one that does.
func (a *app) place(ctx context.Context, t topicName) (topicPlace, error) {
	p := topicPlace{Topic: t.String(), Ledgers: []topicLedger{}}
	var owner struct {
		BrokerURL string `json:"brokerUrl"`
	}
	if err := a.call(ctx, "GET", "/lookup/v2/topic/"+t.domain+"/"+t.tenant+"/"+t.namespace+"/"+url.PathEscape(t.local), nil, &owner); err != nil {
		return p, err
	}
	p.Owner = owner.BrokerURL
	var s struct {
		State   string `json:"state"`
		Entries int64  `json:"numberOfEntries"`
		Bytes   int64  `json:"totalSize"`
		Ledgers []struct {
			LedgerID        int64           `json:"ledgerId"`
			Entries         int64           `json:"entries"`
			Size            int64           `json:"size"`
			State           string          `json:"state"`
			UnderReplicated bool            `json:"underReplicated"`
			Segments        []ledgerSegment `json:"segments"`
		} `json:"ledgers"`
	}
	if err := a.call(ctx, "GET", t.path("/internalStats?metadata=true"), nil, &s); err != nil {
		return p, err
	}
	p.State, p.Entries, p.Bytes = s.State, s.Entries, s.Bytes
	for _, l := range s.Ledgers {
		segments := l.Segments
		if segments == nil {
			segments = []ledgerSegment{}
		}
		p.Ledgers = append(p.Ledgers, topicLedger{ID: l.LedgerID, State: l.State, Entries: l.Entries, Bytes: l.Size, UnderReplicated: l.UnderReplicated, Segments: segments})
	}
	return p, nil
}
