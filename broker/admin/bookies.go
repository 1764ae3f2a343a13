package admin

import (
	"context"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// Storage is what the endpoints ask about bookies and ledgers; all of it comes from the metadata.
type Storage interface {
	Bookies(ctx context.Context) ([]bk.BookieInfo, error)
	Racks(ctx context.Context) (map[string]map[string]bk.Rack, error)
	// Use reads the metadata of all ledgers.
	Use(ctx context.Context) (map[string]bk.BookieUse, error)
	Ledger(ctx context.Context, id int64) (bk.LedgerInfo, error)
	// Forget takes a bookie that is gone out of the metadata; see ledger.Catalog.
	Forget(ctx context.Context, id string, force bool) (bk.BookieForgotten, error)
	Ledgers(ctx context.Context, first int64, each func(bk.LedgerInfo) (more bool, err error)) error
}

// bookieInfo is a bookie under /strobe/v1.
type bookieInfo struct {
	ID      string     `json:"id"`
	Address string     `json:"address,omitempty"` // where it serves ledgers; none: in a broker's process, or down
	State   string     `json:"state"`             // writable, read-only, down
	Rack    string     `json:"rack,omitempty"`
	Use     *bookieUse `json:"use,omitempty"` // with use=true, and for one bookie

	LastAddress string `json:"lastAddress,omitempty"` // of one that is down: where it was
	ReplacedBy  string `json:"replacedBy,omitempty"`  // of one that is down: the id of the bookie that is there now
}

// bookieUse is what lies on a bookie.
type bookieUse struct {
	Ledgers         int `json:"ledgers"`
	Open            int `json:"openLedgers"`     // written to now
	UnderReplicated int `json:"underReplicated"` // ledgers marked because entries are missing here
}

func toBookie(b bk.BookieInfo) bookieInfo {
	return bookieInfo{ID: b.ID, Address: b.Address, State: string(b.State), Rack: b.Rack, LastAddress: b.LastAddress, ReplacedBy: b.Successor}
}

// bookieIDs is Pulsar's list: all that have a cookie, whether they run or not.
func (a *API) bookieIDs(q *request) error {
	list, err := a.o.Storage.Bookies(q.Context())
	if err != nil {
		return err
	}
	type id struct {
		ID string `json:"bookieId"`
	}
	out := struct {
		Bookies []id `json:"bookies"`
	}{[]id{}}
	for _, b := range list {
		out.Bookies = append(out.Bookies, id{b.ID})
	}
	return q.reply(out)
}

func (a *API) racks(q *request) error {
	groups, err := a.o.Storage.Racks(q.Context())
	if err != nil {
		return err
	}
	if groups == nil {
		groups = map[string]map[string]bk.Rack{}
	}
	return q.reply(groups)
}

func (a *API) rack(q *request) error {
	groups, err := a.o.Storage.Racks(q.Context())
	if err != nil {
		return err
	}
	for _, g := range groups {
		if r, ok := g[q.PathValue("bookie")]; ok {
			return q.reply(r)
		}
	}
	return fault.BookieNotFound.New("%.300q has no rack", q.PathValue("bookie")).WithFix("/admin/v2/bookies/racks-info shows those that have one.")
}

// bookies lists bookies; use=true also counts what lies on them, which reads the metadata of every ledger.
func (a *API) bookies(q *request) error {
	list, err := a.o.Storage.Bookies(q.Context())
	if err != nil {
		return err
	}
	var use map[string]bk.BookieUse
	if q.flag("use") {
		if use, err = a.o.Storage.Use(q.Context()); err != nil {
			return err
		}
	}
	out := []bookieInfo{}
	for _, b := range list {
		i := toBookie(b)
		if use != nil {
			i.Use = toUse(use[b.ID])
		}
		out = append(out, i)
	}
	return q.reply(out)
}

func toUse(u bk.BookieUse) *bookieUse {
	return &bookieUse{Ledgers: u.Ledgers, Open: u.Open, UnderReplicated: u.Marked}
}

// bookie is one bookie with what lies on it.
func (a *API) bookie(q *request) error {
	b, err := a.findBookie(q.Context(), q.PathValue("bookie"))
	if err != nil {
		return err
	}
	use, err := a.o.Storage.Use(q.Context())
	if err != nil {
		return err
	}
	out := toBookie(b)
	out.Use = toUse(use[b.ID])
	return q.reply(out)
}

// forgetBookie takes a bookie that is gone out of the metadata; force=true although ledgers name it. The answer says how many do.
func (a *API) forgetBookie(q *request) error {
	b, err := a.findBookie(q.Context(), q.PathValue("bookie"))
	if err != nil {
		return err
	}
	f, err := a.o.Storage.Forget(q.Context(), b.ID, q.flag("force"))
	if err != nil {
		return err
	}
	a.o.Log.Info("bookie forgotten", "bookie", b.ID, "ledgers", f.Ledgers, "lastCopy", f.LastCopy, "force", q.flag("force"))
	return q.reply(struct {
		ID       string `json:"id"`
		Ledgers  int    `json:"ledgers"`  // that go on naming it
		LastCopy int    `json:"lastCopy"` // of these, ledgers of which it may have had the last copy
		Unread   int    `json:"unread"`   // ledgers whose metadata cannot be read
	}{b.ID, f.Ledgers, f.LastCopy, f.Unread})
}

// findBookie is the bookie of an id, or of an id's beginning if it is the only one.
func (a *API) findBookie(ctx context.Context, id string) (bk.BookieInfo, error) {
	list, err := a.o.Storage.Bookies(ctx)
	if err != nil {
		return bk.BookieInfo{}, err
	}
	var begin []bk.BookieInfo
	for _, b := range list {
		if b.ID == id {
			return b, nil
		}
		if id != "" && strings.HasPrefix(b.ID, id) {
			begin = append(begin, b)
		}
	}
	switch len(begin) {
	case 0:
		return bk.BookieInfo{}, fault.BookieNotFound.New("%.300q", id)
	case 1:
		return begin[0], nil
	}
	return bk.BookieInfo{}, fault.AdminParameter.New("%.300q is how %d bookies begin", id, len(begin))
}
