package local

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// The keys in Pebble begin with one letter:
//
//	v/admin/policies/public   a value: 01, its version (8 bytes, big-endian), its data
//	s/ledgers/idgen           a counter: 01, the first number that was not yet reserved (8 bytes, big-endian)
//	f                         the format of this store: "strobe-metadata 1\n"
//	e                         how often the store was opened: 01, 8 bytes big-endian; the upper part of every version
const (
	valuePrefix    = 'v'
	sequencePrefix = 's'
	recordFormat   = 1

	formatVersion = "strobe-metadata 1\n"

	// versionBits is how many changes one run of the process numbers; the bits above count the runs.
	versionBits = 40
)

var (
	formatKey = []byte("f")
	epochKey  = []byte("e")
)

func valueKey(key string) []byte { return append([]byte{valuePrefix}, key...) }

func sequenceKey(path string) []byte { return append([]byte{sequencePrefix}, path...) }

func setValue(batch *pebble.Batch, key string, version meta.Version, data []byte) error {
	op := batch.SetDeferred(1+len(key), 9+len(data))
	op.Key[0] = valuePrefix
	copy(op.Key[1:], key)
	op.Value[0] = recordFormat
	binary.BigEndian.PutUint64(op.Value[1:], uint64(version))
	copy(op.Value[9:], data)
	return op.Finish()
}

// decodeValue reads a value's record; the data is a copy.
func decodeValue(key string, record []byte) (meta.Value, error) {
	if len(record) < 9 || record[0] != recordFormat {
		return meta.Value{}, fault.MetaFormat.New("the record of %s is %d bytes, starting with %.1x", key, len(record), record)
	}
	return meta.Value{
		Version: meta.Version(binary.BigEndian.Uint64(record[1:])),
		Data:    append([]byte(nil), record[9:]...),
	}, nil
}

func decodeNumber(key string, record []byte) (uint64, error) {
	if len(record) != 9 || record[0] != recordFormat {
		return 0, fault.MetaFormat.New("the record of %s is %d bytes, starting with %.1x", key, len(record), record)
	}
	return binary.BigEndian.Uint64(record[1:]), nil
}

func encodeNumber(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{recordFormat}, n)
}

// children are the names of the path segments directly below key, sorted, each once.
func (s *Store) children(key string) ([]string, error) {
	base := strings.TrimSuffix(key, "/") + "/"
	lower := valueKey(base)
	upper := valueKey(base[:len(base)-1] + "0") // '0' follows '/'
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	names := []string{}
	for ok := it.First(); ok; {
		name, _, deeper := strings.Cut(string(it.Key()[len(lower):]), "/")
		names = append(names, name)
		if deeper {
			ok = it.SeekGE(append(append(lower[:len(lower):len(lower)], name...), '0')) // past everything below name
		} else {
			ok = it.Next()
		}
	}
	if err := it.Error(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	for k := range s.ephemerals {
		if rest, ok := strings.CutPrefix(k, base); ok {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	slices.Sort(names)
	return slices.Compact(names), nil
}
