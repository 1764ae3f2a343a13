package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/strobemq/strobe/storage/bk"
)

// metrics serves Prometheus. Nothing is sampled between two scrapes; there are no series by topic.
func (n *node) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "strobe", Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "strobe", Name: name, Help: help}, value))
	}
	gauge("payload_bytes", "Bytes of messages held in memory.", func() float64 { return float64(bk.SlabBytesInUse()) })
	gauge("topics_loaded", "Topics that are loaded.", func() float64 { return float64(len(n.broker.topics.All())) })
	gauge("bookies_read_only", "Bookies that take no entries now.", func() float64 {
		var k float64
		for _, b := range n.bookies {
			if b.ReadOnly() != nil {
				k++
			}
		}
		return k
	})
	n.brokerMetrics(gauge, counter)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// brokerMetrics are the totals of connections and topics.
func (n *node) brokerMetrics(gauge, counter func(name, help string, value func() float64)) {
	gauge("connections", "Connections of clients.", func() float64 { return float64(n.broker.server.Stats().Connections) })
	gauge("publish_budget_used_bytes", "Bytes received and not yet acknowledged (limit: broker.maxMessagePublishBufferSizeInMB).", func() float64 {
		return float64(n.broker.server.Stats().PublishBytes)
	})
	counter("messages_in_total", "Messages published to topics that are loaded.", func() float64 {
		var k uint64
		for _, t := range n.broker.topics.All() {
			k += t.Stats().MessagesIn
		}
		return float64(k)
	})
}
