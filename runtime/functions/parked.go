package functions

// Properties of a parked message, besides the message's own. The dead-letter topic holds the message itself: payload, key, event time and
// properties as they were.
const (
	ParkedReason   = "strobe.parked.reason"   // why, for people
	ParkedCode     = "strobe.parked.code"     // the fault's code, when there is one
	ParkedTopic    = "strobe.parked.topic"    // full name of the topic (partition) it came from, or of the one it was meant for
	ParkedID       = "strobe.parked.id"       // ledger:entry:batch index in that topic
	ParkedAttempts = "strobe.parked.attempts" // how often it was tried
	ParkedBy       = "strobe.parked.by"       // kind/tenant/namespace/name of who parked it
	ParkedTime     = "strobe.parked.time"     // RFC 3339
)

// ParkedPrefix begins all of these names.
const ParkedPrefix = "strobe.parked."

// ParkedSubscription is the durable subscription of every dead-letter topic: what it has not acknowledged is parked. It is made with the
// topic's first producer, so that nothing parked is ever trimmed.
const ParkedSubscription = "strobe-parked"
