package schema

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/strobemq/strobe/internal/fault"
)

// The messages of Apache's schema storage, proto2; every field that is not repeated is required and written even when it is zero.
//
//	SchemaLocator  1 info IndexEntry · 2 index repeated IndexEntry
//	IndexEntry     1 version int64 · 2 position {1 ledgerId int64 · 2 entryId int64} · 3 hash bytes
//	SchemaEntry    2 schema_data bytes (a SchemaInfo) · 5 index repeated IndexEntry
//	SchemaInfo     1 schema_id string · 2 user string · 3 type enum · 4 schema bytes · 5 timestamp int64 · 6 deleted bool
//	               7 props repeated {1 key string · 2 value string}

// locator is a topic's node: the latest version and all of them.
type locator struct {
	info  indexEntry
	index []indexEntry
}

// indexEntry says where a version is. The hash is the SHA-256 of the schema's data, or empty for a delete marker.
type indexEntry struct {
	version Version
	ledger  int64
	entry   int64
	hash    []byte
}

// info is a SchemaInfo. Stored types are those of the protocol plus one.
type info struct {
	id        string
	user      string
	stored    int32
	data      []byte
	timestamp int64
	deleted   bool
	props     []Property
}

func appendIndexEntry(b []byte, field protowire.Number, e indexEntry) []byte {
	var position, body []byte
	position = appendInt(position, 1, e.ledger)
	position = appendInt(position, 2, e.entry)
	body = appendInt(body, 1, int64(e.version))
	body = appendBytes(body, 2, position)
	body = appendBytes(body, 3, e.hash)
	return appendBytes(b, field, body)
}

func (l locator) encode() []byte {
	b := appendIndexEntry(nil, 1, l.info)
	for _, e := range l.index {
		b = appendIndexEntry(b, 2, e)
	}
	return b
}

// encodeEntry makes the entry of a version's ledger. The index is that of the versions before; the first one has a placeholder.
func encodeEntry(i info, index []indexEntry) []byte {
	b := appendBytes(nil, 2, i.encode())
	for _, e := range index {
		b = appendIndexEntry(b, 5, e)
	}
	return b
}

func (i info) encode() []byte {
	b := appendBytes(nil, 1, []byte(i.id))
	b = appendBytes(b, 2, []byte(i.user))
	b = appendInt(b, 3, int64(i.stored))
	b = appendBytes(b, 4, i.data)
	b = appendInt(b, 5, i.timestamp)
	deleted := int64(0)
	if i.deleted {
		deleted = 1
	}
	b = appendInt(b, 6, deleted)
	for _, p := range i.props {
		pair := appendBytes(nil, 1, []byte(p.Key))
		b = appendBytes(b, 7, appendBytes(pair, 2, []byte(p.Value)))
	}
	return b
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// fields walks a message and calls one of varint and bytes for each field of these wire types; others are skipped. The bytes are part of b.
func fields(b []byte, varint func(field protowire.Number, v int64), bytes func(field protowire.Number, v []byte) error) error {
	for len(b) > 0 {
		field, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		switch wire {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			varint(field, int64(v))
			b = b[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			if err := bytes(field, v); err != nil {
				return err
			}
			b = b[n:]
		default:
			n := protowire.ConsumeFieldValue(field, wire, b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
		}
	}
	return nil
}

func noVarint(protowire.Number, int64) {}

func decodeIndexEntry(b []byte) (indexEntry, error) {
	e := indexEntry{version: NoVersion, ledger: -1, entry: -1}
	err := fields(b, func(f protowire.Number, v int64) {
		if f == 1 {
			e.version = Version(v)
		}
	}, func(f protowire.Number, v []byte) error {
		switch f {
		case 2:
			return fields(v, func(f protowire.Number, v int64) {
				switch f {
				case 1:
					e.ledger = v
				case 2:
					e.entry = v
				}
			}, func(protowire.Number, []byte) error { return nil })
		case 3:
			e.hash = append([]byte{}, v...)
		}
		return nil
	})
	if err == nil && e.version < 0 {
		err = fault.SchemaMalformed.New("an index entry of version %d", e.version)
	}
	return e, err
}

func decodeLocator(b []byte) (locator, error) {
	var l locator
	seen := false
	err := fields(b, noVarint, func(f protowire.Number, v []byte) (err error) {
		switch f {
		case 1:
			seen = true
			l.info, err = decodeIndexEntry(v)
		case 2:
			var e indexEntry
			e, err = decodeIndexEntry(v)
			l.index = append(l.index, e)
		}
		return err
	})
	if err == nil && !seen {
		err = fault.SchemaMalformed.New("a locator without the latest version")
	}
	return l, err
}

// decodeEntry reads what a version's ledger holds; the index copied into it is not needed. The result does not share b.
func decodeEntry(b []byte) (info, error) {
	var i info
	seen := false
	err := fields(b, noVarint, func(f protowire.Number, v []byte) (err error) {
		if f == 2 {
			seen = true
			i, err = decodeInfo(v)
		}
		return err
	})
	if err == nil && !seen {
		err = fault.SchemaMalformed.New("an entry without a schema")
	}
	return i, err
}

func decodeInfo(b []byte) (info, error) {
	i := info{stored: 1}
	err := fields(b, func(f protowire.Number, v int64) {
		switch f {
		case 3:
			i.stored = int32(v)
		case 5:
			i.timestamp = v
		case 6:
			i.deleted = v != 0
		}
	}, func(f protowire.Number, v []byte) error {
		switch f {
		case 1:
			i.id = string(v)
		case 2:
			i.user = string(v)
		case 4:
			i.data = append([]byte{}, v...)
		case 7:
			var p Property
			err := fields(v, noVarint, func(f protowire.Number, v []byte) error {
				switch f {
				case 1:
					p.Key = string(v)
				case 2:
					p.Value = string(v)
				}
				return nil
			})
			i.props = append(i.props, p)
			return err
		}
		return nil
	})
	return i, err
}
