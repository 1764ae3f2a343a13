package cli

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
)

// bookie is a bookie as the broker's REST shows it.
type bookie struct {
	ID      string     `json:"id"`
	Address string     `json:"address,omitempty"`
	State   string     `json:"state"`
	Rack    string     `json:"rack,omitempty"`
	Use     *bookieUse `json:"use,omitempty"`

	LastAddress string `json:"lastAddress,omitempty"`
	ReplacedBy  string `json:"replacedBy,omitempty"`
}

type bookieUse struct {
	Ledgers         int `json:"ledgers"`
	Open            int `json:"openLedgers"`
	UnderReplicated int `json:"underReplicated"`
}

func (a *app) bookiesCommand() *cobra.Command {
	c := group("bookies", "", "storage", "Look at the bookies that hold the messages",
		"Bookies hold the entries of ledgers; a topic is a chain of ledgers. What is shown comes from the cluster's metadata:\n"+
			"  writable   registered, takes entries\n"+
			"  read-only  registered, serves reads and takes no entries (often a full disk; its log says why)\n"+
			"  down       it ran once and is not registered now: it does not run, or cannot reach the metadata\n"+
			"  lost?      down, and another bookie is registered at its last address: its volume was probably emptied or replaced")
	c.Aliases = nil // bookie is the command that runs one
	list := &cobra.Command{Use: "list", Short: "List bookies with their address, state and rack", Args: args(0, ""),
		Example: "  strobe bookies list\n  strobe bookies list -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			var list []bookie
			if err := a.call(c.Context(), "GET", "/strobe/v1/bookies", nil, &list); err != nil {
				return err
			}
			return a.print(list, func(w *rows) {
				w.empty = "no bookie was ever registered"
				w.add("BOOKIE", "ADDRESS", "STATE", "RACK")
				for _, b := range list {
					w.add(b.ID, b.where(), b.stateText(), orText(b.Rack, "-"))
				}
			})
		}}
	status := &cobra.Command{Use: "status [BOOKIE]", Short: "Show how much lies on bookies, and what is missing there",
		Long: "Counts the ledgers on each bookie, or on one. An id may be cut short as long as it fits one bookie only.\n\n" +
			"  LEDGERS           ledgers with entries on it\n" +
			"  OPEN              of these, ledgers that are written now and fail over to another bookie when this one goes\n" +
			"  UNDER-REPLICATED  ledgers marked for repair because this bookie lacks entries of them\n\n" +
			"The metadata of every ledger is read, which takes a while on a large cluster.",
		Example:           "  strobe bookies status\n  strobe bookies status 10.0.0.7:3181",
		ValidArgsFunction: a.completeBookies,
		Args: func(c *cobra.Command, got []string) error {
			if len(got) > 1 {
				return fault.CLIUsage.New("%s takes at most one bookie, got %d arguments", c.CommandPath(), len(got)).WithFix("Usage: %s", c.UseLine())
			}
			return nil
		},
		RunE: func(c *cobra.Command, p []string) error { return a.bookiesStatus(c.Context(), p) }}
	force := false
	forget := &cobra.Command{Use: "forget BOOKIE", Short: "Take a bookie that is gone for good out of the metadata", Args: args(1, "one bookie"),
		Long: "Removes the cookie of a bookie that is down, and what else is known of it; what Apache's tools call cookie_delete. A bookie that was forgotten\n" +
			"cannot start with its volume again. It is refused while the bookie is registered, and while ledgers name it: it may come back, and what it\n" +
			"holds may be needed. --force is for a volume that is lost: its ledgers are marked as under-replicated, and read from their other copies. Nothing is\n" +
			"copied from one bookie to another: there is no decommissionbookie yet.",
		Example:           "  strobe bookies forget 5c7f926d\n  strobe bookies forget 5c7f926d --force",
		ValidArgsFunction: a.completeBookies,
		RunE:              func(c *cobra.Command, p []string) error { return a.bookiesForget(c.Context(), p[0], force) }}
	forget.Flags().BoolVar(&force, "force", false, "although ledgers name it: its volume is lost")
	c.AddCommand(list, status, forget)
	return c
}

func (a *app) bookiesForget(ctx context.Context, id string, force bool) error {
	path := "/strobe/v1/bookies/" + url.PathEscape(id)
	if force {
		path += "?force=true"
	}
	var gone struct {
		ID                        string
		Ledgers, LastCopy, Unread int
	}
	if err := a.call(ctx, "DELETE", path, nil, &gone); err != nil {
		return err
	}
	text := "bookie " + gone.ID + " is forgotten"
	if gone.Ledgers > 0 {
		text += fmt.Sprintf("; %d ledgers still name it, are marked as under-replicated, and are read from their other copies", gone.Ledgers)
	}
	if gone.LastCopy > 0 {
		text += fmt.Sprintf("; of %d of them it may have had the last copy", gone.LastCopy)
	}
	return a.done("%s", text)
}

func (b bookie) stateText() string {
	if b.ReplacedBy != "" {
		return "lost?"
	}
	return b.State
}

func (b bookie) where() string {
	switch {
	case b.Address != "":
		return b.Address
	case b.LastAddress != "":
		return "was " + b.LastAddress
	case b.State == "down":
		return "-"
	}
	return "in the broker's process"
}

func (a *app) bookiesStatus(ctx context.Context, p []string) error {
	list, out := make([]bookie, 1), any(nil)
	if len(p) == 1 {
		if err := a.call(ctx, "GET", "/strobe/v1/bookies/"+url.PathEscape(p[0]), nil, &list[0]); err != nil {
			return err
		}
		out = list[0]
	} else {
		if err := a.call(ctx, "GET", "/strobe/v1/bookies?use=true", nil, &list); err != nil {
			return err
		}
		out = list
	}
	for _, b := range list {
		if b.Use == nil {
			return fault.CLIServer.New("the answer does not count the ledgers of %s", b.ID)
		}
	}
	return a.print(out, func(w *rows) {
		w.empty = "no bookie was ever registered"
		w.add("BOOKIE", "STATE", "LEDGERS", "OPEN", "UNDER-REPLICATED")
		for _, b := range list {
			w.add(b.ID, b.stateText(), b.Use.Ledgers, b.Use.Open, b.Use.UnderReplicated)
		}
	})
}

// completeBookies offers the ids of bookies; nothing when the server cannot be reached.
func (a *app) completeBookies(c *cobra.Command, got []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []bookie
	if len(got) > 0 || a.call(c.Context(), "GET", "/strobe/v1/bookies", nil, &list) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, b := range list {
		ids = append(ids, fmt.Sprintf("%s\t%s", b.ID, b.State))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
