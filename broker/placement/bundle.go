package placement

import (
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
)

// Bundle is a part of a namespace: the topics whose hash lies from Lower up to, without, Upper; the last bundle also holds Upper.
type Bundle struct {
	Namespace string // tenant/namespace
	Lower     uint32
	Upper     uint32
}

// Hash is what decides to which bundle a topic belongs: the CRC-32 of its full name, partitions with their own (interop §8.4).
func Hash(n topicname.Name) uint32 { return crc32.ChecksumIEEE([]byte(n.String())) }

// Range is the bundle's name within its namespace: 0xLOWER_0xUPPER.
func (b Bundle) Range() string { return fmt.Sprintf("0x%08x_0x%08x", b.Lower, b.Upper) }

// String is namespace/range, as Apache's tools and metadata name a bundle.
func (b Bundle) String() string { return b.Namespace + "/" + b.Range() }

// Contains tells whether the topic belongs to b.
func (b Bundle) Contains(n topicname.Name) bool {
	h := Hash(n)
	return n.FullNamespace() == b.Namespace && h >= b.Lower && (h < b.Upper || b.Upper == math.MaxUint32)
}

// bundleOf finds the bundle of a hash between ascending boundaries, of which there are at least two.
func bundleOf(namespace string, boundaries []uint32, hash uint32) Bundle {
	i, exact := slices.BinarySearch(boundaries, hash)
	if !exact || i == len(boundaries)-1 {
		i--
	}
	return Bundle{namespace, boundaries[i], boundaries[i+1]}
}

// parseRange reads a Range; whether the namespace has such a bundle is another question.
func parseRange(namespace, s string) (Bundle, error) {
	lower, upper, ok := strings.Cut(s, "_")
	l, err1 := strconv.ParseUint(lower, 0, 32)
	u, err2 := strconv.ParseUint(upper, 0, 32)
	if !ok || err1 != nil || err2 != nil || len(s) > 64 {
		return Bundle{}, fault.BundleUnknown.New("%.80q of %s", s, namespace)
	}
	return Bundle{namespace, uint32(l), uint32(u)}, nil
}
