package main

import (
	"github.com/strobemq/strobe/broker/server"
	"github.com/strobemq/strobe/storage/bk"
)

// brokerMetrics are the totals of topics and bookies.
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
	{"strobe_messages_in_total", "Messages published to topics that are loaded.", func(n *node) float64 {
		var k uint64
		for _, t := range n.broker.topics.All() {
			k += t.Stats().MessagesIn
		}
		return float64(k)
	}},
}

// connectionMetrics are those of the connections of clients.
var connectionMetrics = []metric[server.Stats]{
	{"strobe_connections", "Connections of clients.", func(m *server.Stats) float64 { return float64(m.Connections) }},
	{"strobe_publish_budget_used_bytes", "Bytes received and not yet acknowledged, over all connections.", func(m *server.Stats) float64 { return float64(m.PublishBytes) }},
	{"strobe_publish_budget_limit_bytes", "How many of them there may be (broker.maxMessagePublishBufferSizeInMB); then reading from clients stops.", func(m *server.Stats) float64 {
		return float64(m.PublishBudget)
	}},
	{"strobe_output_bytes", "Bytes that wait for clients to take them, over all connections.", func(m *server.Stats) float64 { return float64(m.OutputBytes) }},
	{"strobe_output_limit_bytes", "From how many of one connection on nothing is dispatched to it.", func(m *server.Stats) float64 { return float64(m.OutputLimit) }},
	{"strobe_connections_congested", "Connections at that limit: their clients are slow, or stand still.", func(m *server.Stats) float64 { return float64(m.Congested) }},
	{"strobe_requests_waiting", "Commands of clients that are being worked on.", func(m *server.Stats) float64 { return float64(m.Requests) }},
	{"strobe_producers", "Producers that are connected.", func(m *server.Stats) float64 { return float64(m.ProducersBound) }},
	{"strobe_consumers", "Consumers that are connected.", func(m *server.Stats) float64 { return float64(m.ConsumersBound) }},
}
