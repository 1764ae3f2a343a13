package server

import (
	"context"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// WATCH_TOPIC_LIST asks to be told of persistent topics that match a pattern and come and go. Answered with WATCH_TOPIC_LIST_SUCCESS and
// the topics there are (none when the client's hash of them holds), then WATCH_TOPIC_UPDATE for each change.
func handleWatchTopicList(c *conn, kind wire.Type, body []byte) error {
	m := &pb.WatchTopicList{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	match, ok := pattern(m.GetTopicsPattern())
	if !ok {
		c.fail(m.GetRequestId(), fault.CommandUnsupported.New("the pattern %.100q cannot be evaluated by the broker", m.GetTopicsPattern()))
		return nil
	}
	w := &watcher{c: c, id: m.GetWatcherId(), namespace: m.GetNamespace(), match: match}
	c.request(func(ctx context.Context) {
		if !c.addWatcher(w) {
			c.fail(m.GetRequestId(), &topic.Refusal{Code: wire.TooManyRequests, Err: fault.RequestFailed.New("%d lists are watched already", maxWatchers)})
			return
		}
		names, err := c.topicsOf(ctx, w.namespace, pb.GetTopicsOfNamespace_PERSISTENT)
		if err != nil {
			c.removeWatcher(w.id)
			c.fail(m.GetRequestId(), err)
			return
		}
		w.start(m, matching(names, match))
		if ctx.Err() != nil {
			c.removeWatcher(w.id)
		}
	})
	return nil
}

// WATCH_TOPIC_LIST_CLOSE ends a watch. Answered with SUCCESS.
func handleWatchTopicListClose(c *conn, kind wire.Type, body []byte) error {
	m := &pb.WatchTopicListClose{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.removeWatcher(m.GetWatcherId())
	c.reply(wire.TypeSuccess, &pb.Success{RequestId: m.RequestId})
	return nil
}

// maxWatchers bounds the lists one connection watches: each is kept in memory.
const maxWatchers = 1000

// addWatcher registers w before the topics are listed, so that no change falls in between; a watcher of the same id is
// replaced. false when there are too many.
func (c *conn) addWatcher(w *watcher) bool {
	c.removeWatcher(w.id)
	c.mu.Lock()
	room := len(c.watchers) < maxWatchers
	if room {
		c.watchers[w.id] = w
	}
	c.mu.Unlock()
	if room {
		c.s.watches.add(w)
	}
	return room
}

func (c *conn) removeWatcher(id uint64) {
	c.mu.Lock()
	w := c.watchers[id]
	delete(c.watchers, id)
	c.mu.Unlock()
	if w != nil {
		c.s.watches.remove(w)
	}
}
