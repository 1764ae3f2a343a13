package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// racksPath is where Pulsar keeps the racks of bookies: JSON, group -> bookie -> rack and host name (interop §8.6).
const racksPath = "/bookies"

// Catalog answers operators what the metadata knows of bookies and ledgers. It asks no bookie and keeps nothing: every answer is
// read anew, and one that covers all ledgers costs a read for each, some at a time. Safe for concurrent use.
type Catalog struct{ meta meta.Store }

// NewCatalog returns the catalog of a cluster's metadata.
func NewCatalog(store meta.Store) *Catalog { return &Catalog{store} }

// Bookies are all bookies that are registered or have a cookie, by id.
func (c *Catalog) Bookies(ctx context.Context) ([]bk.BookieInfo, error) {
	groups, err := c.Racks(ctx)
	if err != nil {
		return nil, err
	}
	racks := map[string]string{}
	for _, g := range groups {
		for id, r := range g {
			racks[id] = r.Rack
		}
	}
	found := map[string]bk.BookieInfo{}
	// In this order: what is registered overrides its cookie, and a bookie in both lists (it is changing between them) counts as read-only.
	for _, in := range []struct {
		path  string
		state bk.BookieState
	}{{bkwire.CookiesPath, bk.BookieDown}, {bkwire.AvailablePath, bk.BookieWritable}, {bkwire.ReadOnlyPath, bk.BookieReadOnly}} {
		ids, err := c.meta.List(ctx, in.path)
		if err != nil {
			return nil, metaError(err)
		}
		for _, id := range ids {
			if !bkwire.ValidBookieID(id) { // also the directory of the read-only ones
				continue
			}
			b := bk.BookieInfo{ID: id, State: in.state, Rack: racks[id]}
			if in.state != bk.BookieDown {
				v, err := c.meta.Get(ctx, in.path+"/"+id)
				if errors.Is(err, meta.ErrNotFound) {
					continue // gone since the list was made
				}
				if err != nil {
					return nil, metaError(err)
				}
				if info, err := bkwire.DecodeServiceInfo(v.Data); err == nil {
					b.Address, _ = info.RPCAddress(id)
				}
			}
			found[id] = b
		}
	}
	at := map[string]string{} // who is registered where
	for id, b := range found {
		if b.Address != "" {
			at[b.Address] = id
		}
	}
	list := make([]bk.BookieInfo, 0, len(found))
	for id, b := range found {
		if b.State == bk.BookieDown {
			v, err := c.meta.Get(ctx, bkwire.AddressPath(id))
			if err != nil && !errors.Is(err, meta.ErrNotFound) {
				return nil, metaError(err)
			}
			b.LastAddress = strings.TrimSpace(string(v.Data))
			b.Successor = at[b.LastAddress]
		}
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b bk.BookieInfo) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// Racks are the groups of bookies and, in each, their racks by id; none when nobody gave any.
func (c *Catalog) Racks(ctx context.Context) (map[string]map[string]bk.Rack, error) {
	v, err := c.meta.Get(ctx, racksPath)
	if errors.Is(err, meta.ErrNotFound) || err == nil && len(v.Data) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, metaError(err)
	}
	var groups map[string]map[string]bk.Rack
	if err := json.Unmarshal(v.Data, &groups); err != nil {
		return nil, fault.BookieRacks.New("%s: %w", racksPath, err)
	}
	return groups, nil
}

// Use counts, for every bookie that a ledger names, what lies on it. It reads the metadata of all ledgers.
func (c *Catalog) Use(ctx context.Context) (map[string]bk.BookieUse, error) {
	use := map[string]bk.BookieUse{}
	err := c.Ledgers(ctx, 0, func(l bk.LedgerInfo) (bool, error) {
		on := map[string]bool{}
		for i, s := range l.Segments {
			for _, id := range s.Bookies {
				u := use[id]
				if !on[id] {
					u.Ledgers++
				}
				if i == len(l.Segments)-1 && l.State != bkwire.Closed.String() {
					u.Open++
				}
				on[id], use[id] = true, u
			}
		}
		for _, id := range l.Missing {
			u := use[id]
			u.Marked++
			use[id] = u
		}
		return true, nil
	})
	return use, err
}

// Ledger describes a ledger. The error is a fault.LedgerNotFound when there is none of that id, a fault.LedgerMetadata when its metadata cannot
// be read, a fault.LedgerFormat when a later version wrote it.
func (c *Catalog) Ledger(ctx context.Context, id int64) (bk.LedgerInfo, error) {
	if id < 0 {
		return bk.LedgerInfo{}, fault.LedgerNotFound.New("%d", id)
	}
	l, err := c.describe(ctx, id)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return l, fault.LedgerNotFound.New("%d", id)
	case err != nil:
		return l, metaError(err)
	case l.Newer:
		return l, fault.LedgerFormat.New("ledger %d: %s", id, l.Damaged)
	case l.Damaged != "":
		return l, fault.LedgerMetadata.New("ledger %d: %s", id, l.Damaged)
	}
	return l, nil
}

// Ledgers calls each for the ledgers with ids from first on, ascending, until it returns false or an error. One whose metadata cannot be read is
// among them, with Damaged set: it hides no other.
func (c *Catalog) Ledgers(ctx context.Context, first int64, each func(bk.LedgerInfo) (bool, error)) error {
	_, err := c.walk(ctx, bkwire.Root, max(first, 0), each)
	return err
}

// walk goes through the ledgers below a directory. Names have a fixed width in each directory and short ids the shorter paths, so that their
// sorted order is that of the ids.
func (c *Catalog) walk(ctx context.Context, dir string, first int64, each func(bk.LedgerInfo) (bool, error)) (more bool, err error) {
	names, err := c.meta.List(ctx, dir)
	if err != nil {
		return false, metaError(err)
	}
	if dir == bkwire.Root { // 00 would stand before 000, but 01 behind it
		slices.SortStableFunc(names, func(a, b string) int { return len(a) - len(b) })
	}
	var ids []int64
	for _, name := range names {
		path := dir + "/" + name
		id, leaf := bkwire.ParseLedgerPath(path)
		if leaf {
			if id >= first {
				ids = append(ids, id)
			}
			continue
		}
		last, ok := bkwire.LastLedgerBelow(path)
		if !ok || last < first {
			continue
		}
		if more, err := c.walk(ctx, path, first, each); err != nil || !more {
			return false, err
		}
	}
	for some := range slices.Chunk(ids, readsAtOnce) {
		if more, err := c.describeAll(ctx, some, each); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// readsAtOnce is how many ledgers' metadata are asked for together.
const readsAtOnce = 32

// describeAll reads some ledgers at once and calls each in their order.
func (c *Catalog) describeAll(ctx context.Context, ids []int64, each func(bk.LedgerInfo) (bool, error)) (more bool, err error) {
	ledgers, errs := make([]bk.LedgerInfo, len(ids)), make([]error, len(ids))
	var reads sync.WaitGroup
	for i, id := range ids {
		reads.Go(func() { ledgers[i], errs[i] = c.describe(ctx, id) })
	}
	reads.Wait()
	for i, l := range ledgers {
		if errors.Is(errs[i], meta.ErrNotFound) {
			continue // deleted since the list was made
		}
		if errs[i] != nil {
			return false, metaError(errs[i])
		}
		if more, err := each(l); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// describe reads a ledger's metadata and mark. Errors are the store's own.
func (c *Catalog) describe(ctx context.Context, id int64) (bk.LedgerInfo, error) {
	l := bk.LedgerInfo{ID: id, Entries: -1, Bytes: -1}
	v, err := c.meta.Get(ctx, bkwire.LedgerPath(id))
	if err != nil {
		return l, err
	}
	if err := c.mark(ctx, &l); err != nil {
		return l, err
	}
	md, err := bkwire.DecodeMetadata(v.Data)
	if err != nil {
		l.Damaged, l.Newer = err.Error(), errors.Is(err, bkwire.ErrNewer)
		return l, nil
	}
	l.State, l.Quorum, l.Digest, l.Format = md.State.String(), md.Quorum, md.Digest, md.Version
	l.Created = max(md.CTime, 0)
	if md.State == bkwire.Closed {
		l.Entries, l.Bytes = md.Last+1, md.Length
	}
	for _, s := range md.Segments {
		l.Segments = append(l.Segments, bk.LedgerSegment{First: s.First, Bookies: s.Bookies})
	}
	for _, x := range md.Custom {
		if l.Custom == nil {
			l.Custom = map[string]string{}
		}
		l.Custom[x.Key] = string(x.Value)
	}
	return l, nil
}

// mark reads the under-replication mark of a ledger, if it has one.
func (c *Catalog) mark(ctx context.Context, l *bk.LedgerInfo) error {
	v, err := c.meta.Get(ctx, bkwire.UnderreplicationPath(l.ID))
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Marked = true
	u, err := bkwire.DecodeUnderreplication(v.Data)
	if err != nil {
		l.Damaged = err.Error()
		return nil
	}
	l.Missing = u.Replicas
	return nil
}
