package subscription

import "strconv"

// Type is how a subscription spreads its entries; the numbers are those of SUBSCRIBE.
type Type int32

const (
	Exclusive Type = 0 // one consumer
	Shared    Type = 1 // each entry to any consumer
	Failover  Type = 2 // one active consumer, others stand by
	KeyShared Type = 3 // entries of one key to one consumer
)

var typeNames = [...]string{"Exclusive", "Shared", "Failover", "Key_Shared"}

// String is Pulsar's spelling in statistics.
func (t Type) String() string {
	if t >= 0 && int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// Valid reports whether t is one of the four.
func (t Type) Valid() bool { return t >= Exclusive && t <= KeyShared }

// KeyMode says how a key-shared subscription divides the hashes among its consumers; the numbers are those of SUBSCRIBE.
type KeyMode int32

const (
	AutoSplit KeyMode = 0 // the subscription divides them
	Sticky    KeyMode = 1 // each consumer says which ranges it takes
)

// HashRange is a range of key hashes, both ends included, within 0…65535.
type HashRange struct{ Start, End int32 }
