package subscription

import (
	"context"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// FirstPublishedAt is the first entry published at or after t; behind the last one when there is none. It reads about log2(entries)
// entries.
func FirstPublishedAt(ctx context.Context, l *managed.Ledger, t time.Time) (bk.Position, error) {
	p, ok, err := l.FindNewest(ctx, bk.Earliest, func(payload []byte) bool { return publishedBefore(payload, t) })
	switch {
	case err != nil:
		return bk.Position{}, err
	case !ok:
		return bk.Earliest, nil
	}
	return after(p), nil
}

// publishedBefore goes by the broker's timestamp, which grows along the topic, and by the producer's where there is none.
func publishedBefore(payload []byte, t time.Time) bool {
	e, rest, _, err := wire.CutBrokerEntry(payload)
	if err == nil && e.HasTimestamp {
		return e.Timestamp < t.UnixMilli()
	}
	var m wire.Metadata
	peek(rest, &m)
	return m.PublishTime < t.UnixMilli()
}
