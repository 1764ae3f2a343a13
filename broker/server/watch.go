package server

import (
	"slices"
	"sync"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// watches is who watches which namespace's topics, over all connections.
type watches struct {
	mu  sync.Mutex
	all map[string][]*watcher // by namespace
}

// watcher is one WATCH_TOPIC_LIST of one connection.
type watcher struct {
	c         *conn
	id        uint64
	namespace string
	match     func(name string) bool

	mu    sync.Mutex // guards all below
	names []string   // that match, sorted
	ready bool       // the client has them; before that, changes are kept in early
	early []change
}

type change struct {
	name    string
	created bool
}

// TopicCreated tells clients that watch for it that a topic came into being. It does not block.
func (s *Server) TopicCreated(n topic.Name) { s.watches.changed(n, true) }

// TopicDeleted tells clients that watch for it that a topic is gone. It does not block.
func (s *Server) TopicDeleted(n topic.Name) { s.watches.changed(n, false) }

func (ws *watches) changed(n topic.Name, created bool) {
	if !n.Persistent || system(n.Local) {
		return
	}
	ws.mu.Lock()
	list := ws.all[n.FullNamespace()] // replaced, never changed
	ws.mu.Unlock()
	if len(list) == 0 {
		return
	}
	ch := change{name: n.String(), created: created}
	for _, w := range list {
		if w.match(ch.name) {
			w.changed(ch)
		}
	}
}

func (ws *watches) add(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all == nil {
		ws.all = map[string][]*watcher{}
	}
	ws.all[w.namespace] = append(slices.Clone(ws.all[w.namespace]), w)
}

func (ws *watches) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(ws.all[w.namespace]), func(o *watcher) bool { return o == w })
	if len(left) == 0 {
		delete(ws.all, w.namespace)
		return
	}
	ws.all[w.namespace] = left
}

// changed tells the client of a change, once it has the list.
func (w *watcher) changed(ch change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ready {
		w.early = append(w.early, ch)
		return
	}
	if !w.applyLocked(ch) {
		return
	}
	hash := topicsHash(w.names)
	m := &pb.WatchTopicUpdate{WatcherId: &w.id, TopicsHash: &hash}
	if ch.created {
		m.NewTopics = []string{ch.name}
	} else {
		m.DeletedTopics = []string{ch.name}
	}
	w.c.reply(wire.TypeWatchTopicUpdate, m)
}

// applyLocked changes the list; false when that changes nothing.
func (w *watcher) applyLocked(ch change) bool {
	i, found := slices.BinarySearch(w.names, ch.name)
	if found == ch.created {
		return false
	}
	if ch.created {
		w.names = slices.Insert(w.names, i, ch.name)
	} else {
		w.names = slices.Delete(w.names, i, i+1)
	}
	return true
}

// start answers WATCH_TOPIC_LIST with names and what changed while they were listed.
func (w *watcher) start(m *pb.WatchTopicList, names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(names)
	w.names = names
	for _, ch := range w.early {
		w.applyLocked(ch)
	}
	w.ready, w.early = true, nil
	hash := topicsHash(w.names)
	r := &pb.WatchTopicListSuccess{RequestId: m.RequestId, WatcherId: &w.id, TopicsHash: &hash}
	if m.TopicsHash == nil || m.GetTopicsHash() != hash {
		r.Topic = w.names
	}
	w.c.reply(wire.TypeWatchTopicListSuccess, r)
}
