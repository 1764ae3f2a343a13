package server

import (
	"context"

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
		c.addWatcher(w)
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

// addWatcher registers w before the topics are listed, so that no change falls in between; a watcher of the same id is replaced.
func (c *conn) addWatcher(w *watcher) {
	c.removeWatcher(w.id)
	c.mu.Lock()
	c.watchers[w.id] = w
	c.mu.Unlock()
	c.s.watches.add(w)
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
