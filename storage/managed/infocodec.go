package managed

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/strobemq/strobe/storage/bk"
)

// ledgerInfo is the value of a managed ledger's node (ManagedLedgerInfo, interop §7.2):
//
//	1 ledgerInfo *   { 1 ledgerId, 2 entries, 3 size, 4 timestamp, 5 offloadContext, 6 properties * }
//	2 terminatedPosition { 1 ledgerId, 2 entryId }
//	3 properties *   { 1 key, 2 value }
//
// An empty value is a managed ledger that nothing was written to. Fields 5 and 6 of a ledger and whatever else is not
// understood are kept as they are.
type ledgerInfo struct {
	links      []link
	terminated *bk.Position
	properties map[string]string
	rest       []byte
}

func (i *ledgerInfo) encode() []byte {
	var b, sub []byte
	for k := range i.links {
		l := &i.links[k]
		sub = appendInt(sub[:0], 1, l.ledger)
		if l.timestamp != 0 {
			sub = appendInt(sub, 2, l.entries)
			sub = appendInt(sub, 3, l.size)
		}
		sub = appendInt(sub, 4, l.timestamp)
		sub = append(sub, l.rest...)
		b = appendBytes(b, 1, sub)
	}
	if i.terminated != nil {
		b = appendBytes(b, 2, appendPosition(nil, *i.terminated))
	}
	for _, k := range sortedKeys(i.properties) {
		b = appendBytes(b, 3, appendPair(nil, k, i.properties[k]))
	}
	return append(b, i.rest...)
}

func decodeLedgerInfo(value []byte) (ledgerInfo, error) {
	var i ledgerInfo
	err := decodeNode(value, func(b []byte) error {
		i = ledgerInfo{}
		return i.parse(b)
	})
	return i, err
}

func (i *ledgerInfo) parse(b []byte) error {
	return fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.BytesType):
			l, err := parseLink(f.data)
			if err != nil {
				return err
			}
			if n := len(i.links); n > 0 && i.links[n-1].ledger >= l.ledger {
				return errProto
			}
			i.links = append(i.links, l)
		case f.is(2, protowire.BytesType):
			p, err := parsePosition(f.data)
			if err != nil {
				return err
			}
			i.terminated = &p
		case f.is(3, protowire.BytesType):
			k, v, err := parsePair(f.data)
			if err != nil {
				return err
			}
			if i.properties == nil {
				i.properties = map[string]string{}
			}
			i.properties[k] = v
		default:
			i.rest = append(i.rest, f.raw...)
		}
		return nil
	})
}

func parseLink(b []byte) (link, error) {
	var l link
	known := false
	err := fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			l.ledger, known = int64(f.num), true
		case f.is(2, protowire.VarintType):
			l.entries = int64(f.num)
		case f.is(3, protowire.VarintType):
			l.size = int64(f.num)
		case f.is(4, protowire.VarintType):
			l.timestamp = int64(f.num)
		default:
			l.rest = append(l.rest, f.raw...)
		}
		return nil
	})
	if err == nil && (!known || l.ledger < 0 || l.entries < 0 || l.size < 0) {
		err = errProto
	}
	return l, err
}

func appendPosition(b []byte, p bk.Position) []byte {
	return appendInt(appendInt(b, 1, p.Ledger), 2, p.Entry)
}

func parsePosition(b []byte) (p bk.Position, err error) {
	seen := 0
	err = fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			p.Ledger = int64(f.num)
			seen |= 1
		case f.is(2, protowire.VarintType):
			p.Entry = int64(f.num)
			seen |= 2
		}
		return nil
	})
	if err == nil && seen != 3 {
		err = errProto
	}
	return p, err
}

func appendPair(b []byte, key, value string) []byte {
	return appendString(appendString(b, 1, key), 2, value)
}

func parsePair(b []byte) (key, value string, err error) {
	err = fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.BytesType):
			key = string(f.data)
		case f.is(2, protowire.BytesType):
			value = string(f.data)
		}
		return nil
	})
	return key, value, err
}
