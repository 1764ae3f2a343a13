package subscription

import "github.com/strobemq/strobe/storage/bk"

// Outlet is the connection a consumer hangs on, as far as dispatch needs it. No method blocks. They may be called under the
// subscription's lock, so an Outlet never calls back on the caller's stack.
type Outlet interface {
	// Deliver queues the entries for writing as MESSAGE commands, in order, and takes over their payload references. The slice
	// is the caller's again at return; AckSet slices are the Outlet's to keep but not to change.
	Deliver(c *Consumer, ds []Delivery)
	// Congested reports whether the connection has as much unwritten output as it may have. Dispatch to its consumers pauses
	// (permits are kept) until the connection calls Consumer.Drained.
	Congested() bool
	// ActiveChanged tells a failover or exclusive consumer whether it is the active one.
	ActiveChanged(c *Consumer, active bool)
	// Disconnect asks the client to reconnect this consumer (CLOSE_CONSUMER): after a seek, an unload, a deletion. The consumer is
	// detached already: whatever still arrives for it is ignored.
	Disconnect(c *Consumer)
	// EndOfTopic tells that a terminated topic has been consumed to its end.
	EndOfTopic(c *Consumer)
}

// Delivery is one entry for one consumer.
type Delivery struct {
	Position   bk.Position
	Payload    bk.Buf // the stored entry payload, broker entry metadata included (interop §9.1); a reference of its own
	Redelivery uint32
	AckSet     []int64 // bits of batch indexes still unacknowledged; nil: the whole entry
	Messages   int32   // messages in the entry, for permits
	Epoch      uint64  // consumer_epoch of the MESSAGE: the consumer's at the moment of dispatch
}
