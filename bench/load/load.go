// Package load is the load generator: one connection that publishes prebuilt entries, as fast as a window allows or at a rate, and
// one that counts what is delivered. It speaks the Pulsar protocol to the product and a protocol of its own to the floor
// pipeline (bench/floor); everything else is the same code for both, so that a ratio compares the servers.
//
// An entry is built once. For each one sent, only its sequence id is written into the copy that goes out: a stock client would be
// the slower side of the measurement.
package load

import (
	"errors"
	"fmt"
	"net"
)

// Shape is what one entry holds.
type Shape struct {
	Messages int // a batch of so many; 1: a single message
	Size     int // payload bytes of one message
}

// Bytes is the payload of one entry.
func (s Shape) Bytes() int { return s.Messages * s.Size }

func (s Shape) String() string {
	size := fmt.Sprintf("%d B", s.Size)
	if s.Size%1024 == 0 {
		size = fmt.Sprintf("%d KiB", s.Size/1024)
	}
	if s.Messages == 1 {
		return size + " unbatched"
	}
	return fmt.Sprintf("%s x %d a batch", size, s.Messages)
}

// protocol is how entries look on one producing connection.
type protocol interface {
	// entry is the frame of one entry; number writes a sequence id into a copy of it.
	entry() []byte
	number(frame []byte, sequence uint64)
	// acked calls ack for each acknowledgement in b, in order, and returns how many bytes it used. What has to be answered at once is
	// written to nc.
	acked(b []byte, nc net.Conn, ack func(sequence uint64)) (int, error)
}

// readBuffer is what a connection reads with.
const readBuffer = 1 << 20

// errEnded is the end of a connection that nobody asked for.
var errEnded = errors.New("the server ended the connection")

// frames hands what arrives on nc to use, which returns how many bytes it used, until use or nc fails.
func frames(nc net.Conn, start []byte, use func(b []byte) (int, error)) error {
	buf := make([]byte, readBuffer)
	n := copy(buf, start)
	for {
		used := 0
		for used < n {
			k, err := use(buf[used:n])
			if err != nil {
				return err
			}
			if k == 0 {
				break
			}
			used += k
		}
		n = copy(buf, buf[used:n])
		if n == len(buf) {
			return fmt.Errorf("a frame is longer than %d bytes", len(buf))
		}
		k, err := nc.Read(buf[n:])
		if err != nil {
			return err
		}
		n += k
	}
}
