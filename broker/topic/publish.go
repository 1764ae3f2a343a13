package topic

import (
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Publish is one SEND on its way into a topic. The connection pools them; a publish allocates nothing. The connection lends Data
// until the Publish comes back through its Receipts.
type Publish struct {
	Next *Publish

	Producer   *Producer
	SequenceID uint64
	Highest    uint64 // highest_sequence_id of the SEND; 0: none, then SequenceID counts
	Messages   int32  // num_messages of the SEND, at least 1
	Data       bk.Buf // as received: [0x0e01 crc] size metadata payload (interop §9.1)

	// Filled at completion:
	Position bk.Position // (-1,-1) for a duplicate that was dropped because it is stored already
	Err      error       // a *Refusal (an answer for SEND_ERROR) or why the entry is not known to be durable

	op   managed.Op
	head [64]byte // broker entry metadata in front of Data
}

// Receipts is the connection of a producer. Completed publishes of one producer come back in order, in lists, off the topic's
// locks; it must not block. The slice belongs to the caller.
type Receipts interface {
	Receipts(done []*Publish)
	// Disconnect asks the client to reconnect this producer (CLOSE_PRODUCER): unload, deletion, fencing.
	Disconnect(p *Producer)
}
