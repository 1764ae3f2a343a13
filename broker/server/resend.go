package server

import "time"

// resend knows what of a producer's SENDs to drop after the broker sent the producer away. The client creates it again on the same
// connection and then sends again, in order, whatever was not answered. But a client may go on sending meanwhile (Apache's Go client
// does): what it sent before it saw PRODUCER_SUCCESS comes in once now and once more when it sends again, so that taking it now
// would store it twice and out of order. SENDs do not say to which creation they belong. Their sequence ids do: those go up until
// the client sends again, which begins at or below the highest that was dropped.
type resend struct {
	highest uint64    // sequence id seen
	since   time.Time // of the first dropped SEND; zero: none was
	begun   time.Time // when the producer was answered; zero: it is not yet
	force   bool      // the client did not send again the last time: take what comes
}

const (
	// resendWithin: a client that stays away for longer may have given up what it has to send again.
	resendWithin = 5 * time.Second
	// resendGrace is how long after PRODUCER_SUCCESS SENDs may still be older than that.
	resendGrace = 2 * time.Second
)

// dropped notes a SEND that is dropped.
func (r *resend) dropped(sequence uint64, now time.Time) {
	if r.since.IsZero() {
		r.since = now
	}
	r.highest = max(r.highest, sequence)
}

// expected reports whether the client has something to send again.
func (r *resend) expected(now time.Time) bool {
	return !r.since.IsZero() && !r.force && now.Sub(r.since) < resendWithin
}

// verdict is what to do with a SEND.
type verdict uint8

const (
	take verdict = iota
	drop
	again // send the producer away once more, so that the client must send again
)

// judge decides about a SEND after the producer was answered. Once it says take, it need not be asked again.
func (r *resend) judge(sequence uint64, now time.Time) verdict {
	switch {
	case r.since.IsZero() || r.force || sequence <= r.highest:
		return take
	case now.Sub(r.begun) > resendGrace:
		r.force = true
		return again
	}
	r.highest = sequence
	return drop
}
