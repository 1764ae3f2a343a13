// Package schema keeps the schemas of topics: versions, each in a ledger of one entry, and per topic a node that locates them, in Apache
// Pulsar's layout (interop §7.10). What a topic has is one schema: a different second one is refused, because compatibility is
// not judged yet.
package schema

import (
	"encoding/binary"
	"fmt"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
)

// Type is what kind of schema it is, with the numbers of the binary protocol.
type Type int32

const (
	None           Type = 0 // bytes: no schema at all
	String         Type = 1
	JSON           Type = 2
	Protobuf       Type = 3
	Avro           Type = 4
	Bool           Type = 5
	Int8           Type = 6
	Int16          Type = 7
	Int32          Type = 8
	Int64          Type = 9
	Float          Type = 10
	Double         Type = 11
	Date           Type = 12
	Time           Type = 13
	Timestamp      Type = 14
	KeyValue       Type = 15
	Instant        Type = 16
	LocalDate      Type = 17
	LocalTime      Type = 18
	LocalDateTime  Type = 19
	ProtobufNative Type = 20
	AutoConsume    Type = 21 // a consumer that takes whatever there is
)

var typeNames = [...]string{
	"NONE", "STRING", "JSON", "PROTOBUF", "AVRO", "BOOLEAN", "INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "DATE", "TIME",
	"TIMESTAMP", "KEY_VALUE", "INSTANT", "LOCAL_DATE", "LOCAL_TIME", "LOCAL_DATE_TIME", "PROTOBUF_NATIVE", "AUTO_CONSUME",
}

// String is the name that REST uses.
func (t Type) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return fmt.Sprintf("TYPE_%d", int32(t))
	}
	return typeNames[t]
}

// ParseType is the inverse of String.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames {
		if n == name {
			return Type(i), true
		}
	}
	return None, false
}

// Property is a property of a schema; their order is kept.
type Property struct{ Key, Value string }

// Schema is one version of a topic's schema. It is shared by all readers and must not be changed.
type Schema struct {
	Type       Type
	Data       []byte
	Properties []Property

	// Filled for stored schemas:
	Version   Version
	User      string
	Timestamp int64 // milliseconds
}

// Version counts a topic's schemas from 0.
type Version int64

// NoVersion stands for "no schema", and for "the latest one" in a question.
const NoVersion Version = -1

// Bytes is the version as the protocol carries it: eight bytes, big-endian; nil for NoVersion.
func (v Version) Bytes() []byte {
	if v < 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(v))
}

// ParseVersion reads what Bytes gives; empty is NoVersion.
func ParseVersion(b []byte) (Version, error) {
	switch len(b) {
	case 0:
		return NoVersion, nil
	case 8:
		if v := Version(binary.BigEndian.Uint64(b)); v >= 0 {
			return v, nil
		}
	}
	return NoVersion, fault.SchemaNotFound.New("version %.16x", b)
}

// maxData bounds a schema, so that its entry fits any frame.
const maxData = 512 << 10

func check(s Schema) error {
	switch {
	case s.Type < None || s.Type > AutoConsume:
		return fault.SchemaMalformed.New("%s", s.Type)
	case len(s.Data) > maxData:
		return fault.SchemaMalformed.New("%d bytes", len(s.Data))
	}
	size := 0
	for _, p := range s.Properties {
		size += len(p.Key) + len(p.Value)
	}
	if size > maxData {
		return fault.SchemaMalformed.New("%d bytes of properties", size)
	}
	return nil
}

// matters tells whether a type is a schema at all: without one, and for a consumer that takes any, nothing can conflict.
func (t Type) matters() bool { return t != None && t != AutoConsume }

// id names a topic's schemas: all partitions share them.
func id(n topicname.Name) string {
	n = n.Partitioned()
	return n.Tenant + "/" + n.Namespace + "/" + n.Encoded()
}
