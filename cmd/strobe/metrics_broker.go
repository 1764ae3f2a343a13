package main

import "github.com/strobemq/strobe/storage/bk"

// brokerMetrics are the totals of connections and topics.
var brokerMetrics = []metric[node]{
	{"strobe_payload_bytes", "Bytes of messages held in memory.", func(*node) float64 { return float64(bk.SlabBytesInUse()) }},
	{"strobe_topics_loaded", "Topics that are loaded.", func(n *node) float64 { return float64(len(n.broker.topics.All())) }},
	{"strobe_bookies_read_only", "Bookies of this process that take no entries now.", func(n *node) float64 {
		var k float64
		for _, b := range n.bookies {
			if b.ReadOnly() != nil {
				k++
			}
		}
		return k
	}},
	{"strobe_bookies_writable", "Bookies that take new ledgers, wherever they run.", func(n *node) float64 { return float64(len(n.registry.Writable())) }},
	{"strobe_connections", "Connections of clients.", func(n *node) float64 { return float64(n.broker.server.Stats().Connections) }},
	{"strobe_publish_budget_used_bytes", "Bytes received and not yet acknowledged (limit: broker.maxMessagePublishBufferSizeInMB).", func(n *node) float64 {
		return float64(n.broker.server.Stats().PublishBytes)
	}},
	{"strobe_messages_in_total", "Messages published to topics that are loaded.", func(n *node) float64 {
		var k uint64
		for _, t := range n.broker.topics.All() {
			k += t.Stats().MessagesIn
		}
		return float64(k)
	}},
}
