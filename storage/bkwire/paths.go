package bkwire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The keys under the ledgers root (interop §4.2). Strobe's root is always Apache's default.
const (
	Root                = "/ledgers"
	LayoutPath          = Root + "/LAYOUT"
	InstancePath        = Root + "/INSTANCEID"
	AvailablePath       = Root + "/available"
	ReadOnlyPath        = AvailablePath + "/readonly"
	CookiesPath         = Root + "/cookies"
	UnderreplicatedPath = Root + "/underreplication/ledgers"
	ShortIDsPath        = Root + "/idgen/ID-"
	LongIDsPath         = Root + "/idgen-long"
)

// MaxShortID is the first ledger id that is not short: it and all above have the long form of path.
const MaxShortID = math.MaxInt32

// LedgerPath is the metadata key of a ledger in the hybrid hierarchical layout (interop §4.3): ids below 2^31-1 as
// /ledgers/AA/BBBB/LCCCC, larger ones as /ledgers/AAA/BBBB/CCCC/DDDD/LEEEE.
func LedgerPath(id int64) string {
	if id < MaxShortID {
		s := fmt.Sprintf("%010d", id)
		return Root + "/" + s[:2] + "/" + s[2:6] + "/L" + s[6:]
	}
	s := fmt.Sprintf("%019d", id)
	return Root + "/" + s[:3] + "/" + s[3:7] + "/" + s[7:11] + "/" + s[11:15] + "/L" + s[15:]
}

// ParseLedgerPath is the id of the ledger whose metadata lies under key; false when key is something else.
func ParseLedgerPath(key string) (id int64, ok bool) {
	rest, ok := strings.CutPrefix(key, Root+"/")
	if !ok || len(rest) > 24 {
		return 0, false
	}
	digits := strings.NewReplacer("/", "", "L", "").Replace(rest)
	if len(digits) != 10 && len(digits) != 19 {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id < 0 || LedgerPath(id) != key {
		return 0, false
	}
	return id, true
}

// LastLedgerBelow is the largest id that a ledger in the directory dir of the layout can have; false when dir is no such directory.
func LastLedgerBelow(dir string) (id int64, ok bool) {
	rest, ok := strings.CutPrefix(dir, Root+"/")
	if !ok || len(rest) > 20 {
		return 0, false
	}
	first, _, _ := strings.Cut(rest, "/")
	width := map[int]int{2: 10, 3: 19}[len(first)]
	digits := strings.ReplaceAll(rest, "/", "")
	if width == 0 || len(digits) >= width || (len(digits)-len(first))%4 != 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits+strings.Repeat("9", width-len(digits)), 10, 64)
	if err != nil {
		return 0, false
	}
	return int64(min(n, math.MaxInt64)), true
}

// LongIDPath is the sequence from which long ledger ids with the given high-order bits take their low 32 bits.
func LongIDPath(high int64) string { return fmt.Sprintf("%s/HOB-%010d/ID-", LongIDsPath, high) }

// CookiePath is where the metadata keeps the cookie of a bookie.
func CookiePath(bookie string) string { return CookiesPath + "/" + bookie }

// BookiesPath is where Strobe keeps what it knows of bookies beyond Apache's nodes.
const BookiesPath = "/strobe/bookies"

// WatermarkPath says up to where the log of a bookie is durable; AddressPath where it was registered last, as host:port.
func WatermarkPath(bookie string) string { return BookiesPath + "/" + bookie + "/watermark" }
func AddressPath(bookie string) string   { return BookiesPath + "/" + bookie + "/address" }

// UnderreplicationPath is the node that marks a ledger as under-replicated (interop §4.9).
func UnderreplicationPath(ledger int64) string {
	h := fmt.Sprintf("%016x", uint64(ledger))
	return fmt.Sprintf("%s/%s/%s/%s/%s/urL%010d", UnderreplicatedPath, h[:4], h[4:8], h[8:12], h[12:], ledger)
}

// ValidBookieID reports whether id may name a bookie: at least one of letters, digits, '-', '.', '_' and the characters
// from ':' to '_', which Apache's pattern lets through too, and not "readonly".
func ValidBookieID(id string) bool {
	if id == "" || id == "readonly" || len(id) > 255 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', ':' <= c && c <= '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
