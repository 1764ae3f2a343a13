package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
)

// ledger is a ledger as the broker's REST shows it; of an open one only its writer knows entries and bytes.
type ledger struct {
	ID              int64             `json:"id"`
	State           string            `json:"state"`
	Entries         *int64            `json:"entries,omitempty"`
	Bytes           *int64            `json:"bytes,omitempty"`
	Ensemble        int               `json:"ensemble"`
	WriteQuorum     int               `json:"writeQuorum"`
	AckQuorum       int               `json:"ackQuorum"`
	Digest          string            `json:"digest"`
	Format          int               `json:"format"`
	Created         string            `json:"created,omitempty"`
	Topic           string            `json:"topic,omitempty"`
	Subscription    string            `json:"subscription,omitempty"`
	Schema          string            `json:"schema,omitempty"`
	Custom          map[string]string `json:"customMetadata,omitempty"`
	Segments        []ledgerSegment   `json:"segments"`
	UnderReplicated bool              `json:"underReplicated"`
	Missing         []string          `json:"missingOn,omitempty"`
	Damaged         string            `json:"damaged,omitempty"`
}

type ledgerSegment struct {
	First   int64    `json:"firstEntry"`
	Bookies []string `json:"bookies"`
}

// ledgerPage is a part of the list; Next is where to go on.
type ledgerPage struct {
	Ledgers []ledger `json:"ledgers"`
	Next    *int64   `json:"next,omitempty"`
}

func (a *app) ledgersCommand() *cobra.Command {
	c := group("ledgers", "ledger", "storage", "Look at ledgers: what they hold and on which bookies",
		"A ledger is a run of entries on a few bookies, written once. Topics, the positions of subscriptions, and schemas lie in ledgers.\n"+
			"Quorums are ensemble/write/ack: how many bookies share the ledger, how many hold each entry, how many must have it on disk\n"+
			"before it is acknowledged.")
	q, limit, from, marked := url.Values{}, 0, int64(0), false
	var on, state string
	states := []string{"open", "in-recovery", "closed"}
	list := &cobra.Command{Use: "list", Short: "List ledgers", Args: args(0, ""),
		Long: "Lists ledgers by id, --limit at a time; what to add for the next ones is said on standard error, and stands in -o json as next.\n" +
			"How much an open ledger holds is known to its writer only: `strobe topics where TOPIC` asks it.",
		Example: "  strobe ledgers list --bookie 10.0.0.7:3181 --state open\n  strobe ledgers list --under-replicated",
		RunE: func(c *cobra.Command, _ []string) error {
			if state != "" && !slices.Contains(states, state) {
				return fault.CLIUsage.New("--state %s%s", state, fault.DidYouMean(state, states)).WithFix("Use --state open, in-recovery or closed.")
			}
			q.Set("limit", strconv.Itoa(limit))
			q.Set("from", strconv.FormatInt(from, 10))
			q.Set("bookie", on)
			q.Set("state", strings.ReplaceAll(state, "-", "_"))
			q.Set("underReplicated", strconv.FormatBool(marked))
			return a.ledgersList(c.Context(), q)
		}}
	f := list.Flags()
	f.IntVar(&limit, "limit", 100, "how many to list at most, up to 10000")
	f.Int64Var(&from, "from", 0, "begin at this id")
	f.StringVar(&on, "bookie", "", "only ledgers with entries on this bookie")
	f.StringVar(&state, "state", "", "only ledgers in this state: open, in-recovery or closed")
	f.BoolVar(&marked, "under-replicated", false, "only ledgers that are marked for repair")
	_ = list.RegisterFlagCompletionFunc("bookie", a.completeBookies)
	_ = list.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	show := &cobra.Command{Use: "show ID", Short: "Show a ledger: its segments, its state, and what it is for", Args: args(1, "one ledger id"),
		Long: "Shows what the metadata knows of a ledger. A segment is a run of entries on the same bookies: a bookie that fails while the ledger is\n" +
			"written is replaced, and a new segment begins at the first entry that was not yet acknowledged.",
		Example: "  strobe ledgers show 17",
		RunE: func(c *cobra.Command, p []string) error {
			id, err := strconv.ParseInt(p[0], 10, 64)
			if err != nil || id < 0 {
				return fault.CLIUsage.New("%q is no ledger id", p[0]).WithFix("`strobe ledgers list` and `strobe topics where TOPIC` show ids.")
			}
			var l ledger
			if err := a.call(c.Context(), "GET", "/strobe/v1/ledgers/"+strconv.FormatInt(id, 10), nil, &l); err != nil {
				return err
			}
			return a.print(l, l.describe)
		}}
	c.AddCommand(list, show)
	return c
}

func (a *app) ledgersList(ctx context.Context, q url.Values) error {
	var page ledgerPage
	if err := a.call(ctx, "GET", "/strobe/v1/ledgers?"+q.Encode(), nil, &page); err != nil {
		return err
	}
	err := a.print(page, func(w *rows) {
		w.empty = "no such ledger"
		w.add("LEDGER", "STATE", "ENTRIES", "SIZE", "QUORUMS", "HOLDS")
		for _, l := range page.Ledgers {
			w.add(l.ID, l.stateText(), l.entriesText(), l.sizeText(), l.quorums(), l.holds())
		}
	})
	if err == nil && page.Next != nil {
		_, err = fmt.Fprintf(a.Err, "there are more: --from %d\n", *page.Next)
	}
	return err
}

func (l ledger) stateText() string {
	s := strings.ToLower(strings.ReplaceAll(l.State, "_", "-"))
	if l.Damaged != "" {
		s = "unreadable"
	}
	if l.UnderReplicated {
		s += ", under-replicated"
	}
	return s
}

func (l ledger) entriesText() string {
	if l.Entries == nil {
		return "-"
	}
	return strconv.FormatInt(*l.Entries, 10)
}

func (l ledger) sizeText() string {
	if l.Bytes == nil {
		return "-"
	}
	return bytesText(*l.Bytes)
}

func (l ledger) quorums() string {
	return fmt.Sprintf("%d/%d/%d", l.Ensemble, l.WriteQuorum, l.AckQuorum)
}

// holds says what a ledger is for.
func (l ledger) holds() string {
	switch {
	case l.Subscription != "" && l.Topic != "":
		return "positions of " + l.Subscription + " in " + l.Topic
	case l.Topic != "":
		return "messages of " + l.Topic
	case l.Schema != "":
		return "schema of " + l.Schema
	}
	var pairs []string
	for _, k := range sortedKeys(l.Custom) {
		pairs = append(pairs, fmt.Sprintf("%s=%.60q", k, l.Custom[k]))
	}
	return orText(strings.Join(pairs, " "), "-")
}

func (l ledger) describe(w *rows) {
	w.add("ledger", l.ID)
	w.add("state", l.stateText())
	w.add("holds", l.holds())
	w.add("entries", l.entriesText())
	w.add("size", l.sizeText())
	w.add("quorums", l.quorums())
	w.add("digest", l.Digest)
	w.add("metadata format", l.Format)
	if l.Created != "" {
		w.add("created", l.Created)
	}
	if l.UnderReplicated {
		w.add("entries missing on", orText(strings.Join(l.Missing, ", "), "no bookie: it was made on too few"))
	}
	for _, k := range sortedKeys(l.Custom) {
		w.add("custom metadata", fmt.Sprintf("%s = %.200q", k, l.Custom[k]))
	}
	for _, s := range l.Segments {
		w.add(fmt.Sprintf("from entry %d", s.First), strings.Join(s.Bookies, ", "))
	}
}
