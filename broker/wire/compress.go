package wire

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression is how an entry's body is compressed. LZ4 and Snappy are the bare block formats without a frame.
type Compression uint8

const (
	None   Compression = 0
	LZ4    Compression = 1
	ZLIB   Compression = 2
	ZSTD   Compression = 3
	Snappy Compression = 4
)

func (c Compression) String() string {
	switch c {
	case None:
		return "NONE"
	case LZ4:
		return "LZ4"
	case ZLIB:
		return "ZLIB"
	case ZSTD:
		return "ZSTD"
	case Snappy:
		return "SNAPPY"
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// The codecs are made at first use: their tables cost memory that a broker, which never opens a batch, does not need.
var (
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	})
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	})
)

// Decompress appends body uncompressed to dst. size is the metadata's uncompressed size: the result must have exactly that
// many bytes, and when it exceeds max nothing is allocated and the answer is an error. Safe for concurrent use.
func (c Compression) Decompress(dst, body []byte, size uint32, max int) ([]byte, error) {
	if c == None {
		return append(dst, body...), nil
	}
	if uint64(size) > uint64(max) {
		return dst, malformed("entry", "%d bytes uncompressed, the limit is %d", size, max)
	}
	if size == 0 && len(body) == 0 {
		return dst, nil
	}
	start, end := len(dst), len(dst)+int(size)
	out := grow(dst, int(size)+1)
	room := out[start : end : end+1]
	if size == 0 { // the LZ4 decoder wants a first byte to point at
		room = room[:1]
	}
	n, err := c.decompress(room, body)
	if err != nil {
		return dst, malformed("entry", "%s: %v", c, err)
	}
	if n != int(size) {
		return dst, malformed("entry", "%s: %d bytes uncompressed where %d were promised", c, n, size)
	}
	return out[:end], nil
}

// decompress fills at most room, which has the promised size.
func (c Compression) decompress(room, body []byte) (int, error) {
	switch c {
	case LZ4:
		return lz4.UncompressBlock(body, room)
	case ZLIB:
		r, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		n, err := io.ReadFull(r, room)
		if err == io.EOF { // nothing in it, as the metadata may have said
			return 0, nil
		}
		if err == nil {
			// Behind the last byte comes the checksum; only the end of the stream says that it held.
			var more [1]byte
			if k, end := r.Read(more[:]); k > 0 || end != io.EOF {
				return n, fmt.Errorf("no end where it should be: %v", end)
			}
		}
		return n, err
	case ZSTD:
		d, err := zstdDecoder()
		if err != nil {
			return 0, err
		}
		var h zstd.Header
		if err := h.Decode(body); err != nil {
			return 0, err
		}
		if h.HasFCS && h.FrameContentSize > uint64(len(room)) {
			return 0, fmt.Errorf("a frame of %d bytes", h.FrameContentSize)
		}
		out, err := d.DecodeAll(body, room[:0])
		return len(out), err // len(out) > len(room) means it was moved elsewhere: the caller refuses the length
	case Snappy:
		if n, err := snappy.DecodedLen(body); err != nil || n > len(room) {
			return n, err
		}
		out, err := snappy.Decode(room, body)
		return len(out), err
	}
	return 0, fmt.Errorf("unknown")
}

// Compress appends body compressed to dst. Safe for concurrent use.
func (c Compression) Compress(dst, body []byte) ([]byte, error) {
	switch c {
	case None:
		return append(dst, body...), nil
	case LZ4:
		start := len(dst)
		dst = grow(dst, lz4.CompressBlockBound(len(body)))
		var z lz4.Compressor
		n, err := z.CompressBlock(body, dst[start:cap(dst)])
		return dst[:start+n], err
	case ZLIB:
		b := bytes.NewBuffer(dst)
		w := zlib.NewWriter(b)
		if _, err := w.Write(body); err != nil {
			return dst, err
		}
		err := w.Close()
		return b.Bytes(), err
	case ZSTD:
		e, err := zstdEncoder()
		if err != nil {
			return dst, err
		}
		return e.EncodeAll(body, dst), nil
	case Snappy:
		start := len(dst)
		dst = grow(dst, snappy.MaxEncodedLen(len(body)))
		out := snappy.Encode(dst[start:cap(dst)], body)
		return dst[:start+len(out)], nil
	}
	return dst, fmt.Errorf("compress: %s is unknown", c)
}

// grow returns b with room for n more bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	out := make([]byte, len(b), len(b)+n)
	copy(out, b)
	return out
}
