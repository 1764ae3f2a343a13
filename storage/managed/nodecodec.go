package managed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// compressedMagic begins the value of a compressed node: short magic, int size of the metadata, the metadata
	// { 1 compressionType, 2 uncompressedSize }, compressed protobuf (interop §7.3). Strobe writes nodes uncompressed.
	compressedMagic = 0x4778
	// maxNode bounds what a compressed node may unfold to; an honest one with 10 000 ranges is below 1 MiB.
	maxNode = 16 << 20
)

// decodeNode hands the protobuf in a node's value to parse: unfolded if it begins with the magic, and as it stands if it does not
// or if that fails.
func decodeNode(value []byte, parse func([]byte) error) error {
	if len(value) < 6 || binary.BigEndian.Uint16(value) != compressedMagic {
		return parse(value)
	}
	plain, unfolding := unfold(value)
	if unfolding == nil && parse(plain) == nil {
		return nil
	}
	err := parse(value)
	if err != nil && errors.Is(unfolding, errNewer) {
		return unfolding
	}
	return err
}

// errNewer is what a later version has written in a form that this one does not know.
var errNewer = errors.New("of a newer format")

// unzstd is made at the first compressed node. It starts no goroutine, as it only decodes whole values.
var unzstd = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxNode), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(err) // only for options that cannot be
	}
	return d
})

func unfold(value []byte) ([]byte, error) {
	n := int64(binary.BigEndian.Uint32(value[2:]))
	if n > int64(len(value)-6) {
		return nil, errProto
	}
	var codec, size uint64
	err := fields(value[6:6+n], func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			codec = f.num
		case f.is(2, protowire.VarintType):
			size = f.num
		}
		return nil
	})
	if err != nil || size > maxNode {
		return nil, errProto
	}
	packed := value[6+n:]
	switch codec {
	case 0:
		return packed, nil
	case 1:
		out := make([]byte, size)
		m, err := lz4.UncompressBlock(packed, out)
		return out[:max(m, 0)], err
	case 2:
		r, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(r, int64(size)))
	case 3:
		return unzstd().DecodeAll(packed, nil)
	case 4:
		if m, err := snappy.DecodedLen(packed); err != nil || m > maxNode {
			return nil, errProto
		}
		return snappy.Decode(nil, packed)
	}
	return nil, fmt.Errorf("compression type %d: %w: up to 4 are known", codec, errNewer)
}
