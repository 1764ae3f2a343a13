package meta

import (
	"strings"
	"unicode/utf8"

	"github.com/strobemq/strobe/internal/fault"
)

const (
	// MaxKey is the longest key in bytes.
	MaxKey = 4 << 10
	// MaxValue is the largest value in bytes: ZooKeeper's default limit, the smallest of the stores'.
	MaxValue = 1<<20 - 1<<10
	// MaxBatch is the most changes in one Batch: etcd's default limit of a transaction.
	MaxBatch = 128
)

// CheckKey tells whether key may name a value: absolute, without empty, "." or ".." segments and control characters, valid
// UTF-8, at most MaxKey bytes. All stores refuse the same keys, so that none takes what another cannot.
func CheckKey(key string) error {
	switch {
	case len(key) > MaxKey:
		return fault.MetaKey.New("%d bytes", len(key))
	case len(key) < 2 || key[0] != '/':
		return fault.MetaKey.New("%q is not absolute", key)
	case !utf8.ValidString(key):
		return fault.MetaKey.New("%q is not UTF-8", key)
	}
	for segment := range strings.SplitSeq(key[1:], "/") {
		switch segment {
		case "", ".", "..":
			return fault.MetaKey.New("%q has a segment %q", key, segment)
		}
	}
	for i := range len(key) {
		if key[i] < 0x20 || key[i] == 0x7f {
			return fault.MetaKey.New("%q holds a control character", key)
		}
	}
	return nil
}

// CheckPrefix is CheckKey for List and Watch, which also take the root "/".
func CheckPrefix(prefix string) error {
	if prefix == "/" {
		return nil
	}
	return CheckKey(prefix)
}

// CheckValue tells whether data fits a value.
func CheckValue(key string, data []byte) error {
	if len(data) > MaxValue {
		return fault.MetaValue.New("%s: %d bytes", key, len(data))
	}
	return nil
}

// Below tells whether key is prefix itself or lies below it.
func Below(key, prefix string) bool {
	if prefix == "/" {
		return true
	}
	return strings.HasPrefix(key, prefix) && (len(key) == len(prefix) || key[len(prefix)] == '/')
}
