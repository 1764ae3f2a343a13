package main

import (
	"math"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/bookie/server"
	"github.com/strobemq/strobe/storage/segment"
)

// metric is one line of a table of metrics. What ends in _total is a counter since the start, everything else a gauge; units are in
// the name. A value that is not known is NaN, and not shown.
type metric[T any] struct {
	name, help string
	value      func(*T) float64
}

// serveMetrics serves Prometheus, with those of the process itself. Nothing is sampled between two scrapes; there are no series by topic.
func serveMetrics(own ...prometheus.Collector) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(own...)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

func (n *node) metrics() http.Handler {
	all := append(bookieCollectors(n.bookies...),
		newScraper(brokerMetrics, nil, func(show func(*node, ...string)) { show(n) }),
		newScraper(connectionMetrics, nil, once(n.broker.server.Stats)),
		newScraper(ledgerMetrics, nil, once(n.ledgers.Metrics)),
		newScraper(managedMetrics, nil, once(n.managed.Metrics)),
	)
	if n.dialer != nil {
		all = append(all, newScraper(remoteMetrics, nil, once(n.dialer.Metrics)), newScraper(clockMetrics, nil, once(n.clocks.Metrics)))
	}
	if n.local != nil {
		all = append(all, newScraper(metaMetrics, nil, once(n.local.Stats)))
	}
	return serveMetrics(all...)
}

// bookieCollectors tell of the bookies of this process and of their logs.
func bookieCollectors(bookies ...*bookie.Bookie) []prometheus.Collector {
	return []prometheus.Collector{
		newScraper(bookieMetrics, byBookie, func(show func(*bookie.Metrics, ...string)) {
			for _, b := range bookies {
				m := b.Metrics()
				show(&m, b.ID())
			}
		}),
		newScraper(logMetrics, byBookie, func(show func(*segment.Metrics, ...string)) {
			for _, b := range bookies {
				if m, ok := b.LogMetrics(); ok {
					show(&m, b.ID())
				}
			}
		}),
	}
}

// serverCollectors tell of the door of a bookie.
func serverCollectors(s *server.Server, bookie string) []prometheus.Collector {
	return []prometheus.Collector{
		newScraper(serverMetrics, byBookie, func(show func(*server.Metrics, ...string)) {
			m := s.Metrics()
			show(&m, bookie)
		}),
		newScraper(answerMetrics, byCode, func(show func(*answers, ...string)) {
			for code, n := range s.Metrics().Answers {
				show(&answers{n}, bookie, codeLabel(code))
			}
		}),
	}
}

// codeLabel is a code's text as one word.
func codeLabel(c bk.Code) string { return strings.ReplaceAll(c.Error(), " ", "_") }

// byCode are the labels of answers.
var byCode = []string{"bookie", "code"}

// byBookie is the label of what every bookie has: its id.
var byBookie = []string{"bookie"}

// once shows the one snapshot there is.
func once[T any](snapshot func() T) func(show func(*T, ...string)) {
	return func(show func(*T, ...string)) {
		m := snapshot()
		show(&m)
	}
}

// scraper is a table of metrics as Prometheus wants it: each scrape takes one snapshot and tells its numbers.
type scraper[T any] struct {
	table []metric[T]
	descs []*prometheus.Desc
	each  func(show func(snapshot *T, labels ...string))
}

func newScraper[T any](table []metric[T], labels []string, each func(show func(*T, ...string))) *scraper[T] {
	s := &scraper[T]{table: table, each: each}
	for _, m := range table {
		s.descs = append(s.descs, prometheus.NewDesc(m.name, m.help, labels, nil))
	}
	return s
}

// Describe implements prometheus.Collector.
func (s *scraper[T]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *scraper[T]) Collect(ch chan<- prometheus.Metric) {
	s.each(func(snapshot *T, labels ...string) {
		for i, m := range s.table {
			if v := m.value(snapshot); !math.IsNaN(v) {
				ch <- prometheus.MustNewConstMetric(s.descs[i], kindOf(m.name), v, labels...)
			}
		}
	})
}

func kindOf(name string) prometheus.ValueType {
	if strings.HasSuffix(name, "_total") {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}
