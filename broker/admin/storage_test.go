package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// fixedStorage answers from lists.
type fixedStorage struct {
	bookies []bk.BookieInfo
	ledgers []bk.LedgerInfo // by id
	use     map[string]bk.BookieUse
	racks   map[string]map[string]bk.Rack
}

func (s *fixedStorage) Forget(_ context.Context, id string, force bool) (bk.BookieForgotten, error) {
	switch {
	case id != "c":
		return bk.BookieForgotten{}, fault.BookieAlive.New("%s", id)
	case !force:
		return bk.BookieForgotten{}, fault.BookieNamed.New("3 ledgers name %s", id)
	}
	return bk.BookieForgotten{Ledgers: 3, LastCopy: 1}, nil
}

func (s *fixedStorage) Bookies(context.Context) ([]bk.BookieInfo, error)     { return s.bookies, nil }
func (s *fixedStorage) Use(context.Context) (map[string]bk.BookieUse, error) { return s.use, nil }
func (s *fixedStorage) Racks(context.Context) (map[string]map[string]bk.Rack, error) {
	return s.racks, nil
}

func (s *fixedStorage) Ledger(_ context.Context, id int64) (bk.LedgerInfo, error) {
	for _, l := range s.ledgers {
		if l.ID == id {
			return l, nil
		}
	}
	return bk.LedgerInfo{}, fault.LedgerNotFound.New("%d", id)
}

func (s *fixedStorage) Ledgers(_ context.Context, first int64, each func(bk.LedgerInfo) (bool, error)) error {
	for _, l := range s.ledgers {
		if l.ID < first {
			continue
		}
		if more, err := each(l); err != nil || !more {
			return err
		}
	}
	return nil
}

func storageAPI() *API {
	q := bk.Quorum{Ensemble: 2, Write: 2, Ack: 1}
	on := func(bookies ...string) []bk.LedgerSegment { return []bk.LedgerSegment{{First: 0, Bookies: bookies}} }
	return New(Options{Storage: &fixedStorage{
		bookies: []bk.BookieInfo{{ID: "aa:3181", Address: "10.0.0.1:3181", State: bk.BookieWritable, Rack: "/r1"}, {ID: "ab", State: bk.BookieReadOnly}, {ID: "c", State: bk.BookieDown, LastAddress: "10.0.0.1:3181", Successor: "aa:3181"}},
		use:     map[string]bk.BookieUse{"aa:3181": {Ledgers: 3, Open: 2, Marked: 1}},
		racks:   map[string]map[string]bk.Rack{"default": {"aa:3181": {Rack: "/r1", Host: "h"}}},
		ledgers: []bk.LedgerInfo{
			{ID: 1, State: "CLOSED", Quorum: q, Digest: bk.DigestCRC32C, Format: 3, Entries: 10, Bytes: 1000, Segments: append(on("aa:3181", "ab"), bk.LedgerSegment{First: 4, Bookies: []string{"aa:3181", "c"}}),
				Custom: map[string]string{"component": "managed-ledger", "pulsar/managed-ledger": "acme/shop/persistent/a%3Fb", "pulsar/cursor": "sub"}},
			{ID: 2, State: "OPEN", Quorum: q, Digest: bk.DigestCRC32C, Format: 3, Entries: -1, Bytes: -1, Segments: on("ab", "c"), Marked: true, Missing: []string{"c"}},
			{ID: 7, State: "IN_RECOVERY", Quorum: q, Digest: bk.DigestMAC, Format: 2, Entries: -1, Bytes: -1, Segments: on("aa:3181", "c")},
			{ID: 8, Entries: -1, Bytes: -1, Damaged: "not ledger metadata"},
		},
	}})
}

func get(t *testing.T, a *API, path string, out any) int {
	t.Helper()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	return w.Code
}

func TestBookiesOverREST(t *testing.T) {
	a := storageAPI()
	for path, want := range map[string]string{
		"/admin/v2/bookies/all":                `{"bookies":[{"bookieId":"aa:3181"},{"bookieId":"ab"},{"bookieId":"c"}]}`,
		"/admin/v2/bookies/racks-info":         `{"default":{"aa:3181":{"rack":"/r1","hostname":"h"}}}`,
		"/admin/v2/bookies/racks-info/aa:3181": `{"rack":"/r1","hostname":"h"}`,
		"/strobe/v1/bookies":                   `[{"id":"aa:3181","address":"10.0.0.1:3181","state":"writable","rack":"/r1"},{"id":"ab","state":"read-only"},{"id":"c","state":"down","lastAddress":"10.0.0.1:3181","replacedBy":"aa:3181"}]`,
		"/strobe/v1/bookies/aa":                `{"id":"aa:3181","address":"10.0.0.1:3181","state":"writable","rack":"/r1","use":{"ledgers":3,"openLedgers":2,"underReplicated":1}}`,
		"/strobe/v1/bookies/c":                 `{"id":"c","state":"down","use":{"ledgers":0,"openLedgers":0,"underReplicated":0},"lastAddress":"10.0.0.1:3181","replacedBy":"aa:3181"}`,
	} {
		var got json.RawMessage
		if code := get(t, a, path, &got); code != http.StatusOK || string(got) != want+"\n" && string(got) != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, code, got, want)
		}
	}
	var all []bookieInfo
	if get(t, a, "/strobe/v1/bookies?use=true", &all); len(all) != 3 || all[0].Use == nil || all[0].Use.Open != 2 || all[2].Use == nil {
		t.Errorf("%+v", all)
	}
}

func TestLedgersOverREST(t *testing.T) {
	a := storageAPI()
	next := func(id int64) *int64 { return &id }
	for _, c := range []struct {
		query string
		ids   []int64
		next  *int64
	}{
		{"", []int64{1, 2, 7, 8}, nil},
		{"?limit=2", []int64{1, 2}, next(7)},
		{"?limit=2&from=7", []int64{7, 8}, nil},
		{"?from=3&limit=1", []int64{7}, next(8)},
		{"?bookie=aa", []int64{1, 7}, nil},
		{"?bookie=c&state=in_recovery", []int64{7}, nil},
		{"?bookie=c&limit=2", []int64{1, 2}, next(7)},
		{"?underReplicated=true", []int64{2}, nil},
		{"?from=9223372036854775807", nil, nil},
	} {
		var page struct {
			Ledgers []ledgerInfo
			Next    *int64
		}
		code := get(t, a, "/strobe/v1/ledgers"+c.query, &page)
		var ids []int64
		for _, l := range page.Ledgers {
			ids = append(ids, l.ID)
		}
		if code != http.StatusOK || !slices.Equal(ids, c.ids) || (page.Next == nil) != (c.next == nil) || c.next != nil && *page.Next != *c.next {
			t.Errorf("%q: %d %v, next %v", c.query, code, ids, page.Next)
		}
	}
	var l ledgerInfo
	if get(t, a, "/strobe/v1/ledgers/1", &l); l.Topic != "persistent://acme/shop/a?b" || l.Subscription != "sub" || *l.Entries != 10 || *l.Bytes != 1000 || len(l.Segments) != 2 {
		t.Errorf("%+v", l)
	}
}

func TestForgetOverREST(t *testing.T) {
	a := storageAPI()
	for _, c := range []struct {
		path string
		code int
		want string
	}{
		{"aa", http.StatusPreconditionFailed, fault.BookieAlive.Code},
		{"c", http.StatusPreconditionFailed, fault.BookieNamed.Code},
		{"c?force=true", http.StatusOK, `"ledgers":3,"lastCopy":1`},
		{"nosuch?force=true", http.StatusNotFound, fault.BookieNotFound.Code},
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("DELETE", "/strobe/v1/bookies/"+c.path, nil))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
}

func TestUnknownBookiesAndLedgers(t *testing.T) {
	a := storageAPI()
	for path, want := range map[string]*fault.Fault{
		"/strobe/v1/bookies/nosuch":           fault.BookieNotFound,
		"/strobe/v1/bookies/a":                fault.AdminParameter, // two begin so
		"/admin/v2/bookies/racks-info/ab":     fault.BookieNotFound,
		"/strobe/v1/ledgers/3":                fault.LedgerNotFound,
		"/strobe/v1/ledgers/x":                fault.AdminParameter,
		"/strobe/v1/ledgers?limit=0":          fault.AdminParameter,
		"/strobe/v1/ledgers?limit=10001":      fault.AdminParameter,
		"/strobe/v1/ledgers?from=-1":          fault.AdminParameter,
		"/strobe/v1/ledgers?state=shut":       fault.AdminParameter,
		"/strobe/v1/ledgers?bookie=nosuch":    fault.BookieNotFound,
		"/strobe/v1/ledgers/9999999999999999": fault.LedgerNotFound,
	} {
		var out struct{ Code, Fix string }
		if code := get(t, a, path, &out); out.Code != want.Code || out.Fix == "" || code != status(want.New("")) {
			t.Errorf("%s: %d %+v, want %s", path, code, out, want.Code)
		}
	}
}

// The line is Pulsar's, as its internalStats?metadata=true prints it, but for the order of the custom metadata.
func TestMetadataAsPulsarPrintsIt(t *testing.T) {
	l := bk.LedgerInfo{ID: 63, State: "OPEN", Quorum: bk.Quorum{Ensemble: 2, Write: 2, Ack: 2}, Digest: bk.DigestCRC32C, Format: 3, Entries: -1, Bytes: -1,
		Segments: []bk.LedgerSegment{{First: 0, Bookies: []string{"127.0.0.1:14192", "127.0.0.1:14193"}}},
		Custom:   map[string]string{"application": "pulsar", "component": "managed-ledger", "pulsar/managed-ledger": "public/golden/persistent/live"}}
	const want = "LedgerMetadata{formatVersion=3, ensembleSize=2, writeQuorumSize=2, ackQuorumSize=2, state=OPEN, digestType=CRC32C, password=OMITTED, " +
		"ensembles={0=[127.0.0.1:14192, 127.0.0.1:14193]}, customMetadata={application=base64:cHVsc2Fy, component=base64:bWFuYWdlZC1sZWRnZXI=, " +
		"pulsar/managed-ledger=base64:cHVibGljL2dvbGRlbi9wZXJzaXN0ZW50L2xpdmU=}}"
	if got := metadataText(l); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
