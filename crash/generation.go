package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// shapes are the topics of a generation: of the cluster, and of the standalone.
var shapes = [2][]shape{
	{
		{name: "batched", ns: "default", batched: true, once: true, keep: true, keyed: true, size: 200, rate: 400},
		{name: "single", ns: "default", once: true, keep: true, size: 500, rate: 100},
		{name: "plain", ns: "plain", batched: true, keep: true, keyed: true, stock: true, size: 200, rate: 150},
		{name: "churn", ns: "churn", once: true, size: 6 << 10, rate: 200},
	},
	{
		{name: "batched", ns: "default", batched: true, once: true, keep: true, size: 200, rate: 200},
		{name: "churn", ns: "churn", once: true, keyed: true, size: 6 << 10, rate: 150},
	},
}

// nextStreams begins the topics of a generation.
func (w *world) nextStreams(generation int) error {
	w.streams = nil
	var mu sync.Mutex
	var all []error
	var wg sync.WaitGroup
	for form, list := range shapes {
		for _, sh := range list {
			s := &stream{shape: sh, v: &w.verdict, acks: &w.acks[form], owner: w.owner(form)}
			s.topic = fmt.Sprintf("persistent://public/%s/%s-%d", s.ns, s.name, generation)
			w.streams = append(w.streams, s)
			wg.Go(func() {
				if err := s.begin(w.ctx, w.clients[form]); err != nil {
					mu.Lock()
					all = append(all, err)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(all...)
}

// retire ends the writers of a generation, waits for its receipts and consumers, reads back what was kept, and deletes the topics. Kills go on
// meanwhile.
func (w *world) retire(list []*stream) {
	for _, s := range list {
		s.stop()
	}
	for i, s := range list {
		form := 0
		if i >= len(shapes[0]) {
			form = 1
		}
		w.judging.Go(func() { w.judge(s, form) })
	}
}

// judge compares what a stream's readers saw with its receipts.
func (w *world) judge(s *stream, form int) {
	if !w.waitFor(s.stopped, func() int64 { return -int64(s.unanswered()) }) {
		w.verdict.wrongf("%s: %d messages have no receipt, and none comes", s.topic, s.unanswered())
		return
	}
	if !w.waitFor(s.consumed, func() int64 { return s.came.Load() }) {
		w.verdict.wrongf("%s: %d of %d messages came to the consumer, and no more come", s.topic, s.came.Load(), s.total.Load())
		return
	}
	if w.ctx.Err() != nil {
		return
	}
	for _, err := range s.notes.against(s.receipts) {
		w.verdict.wrongf("%s, consumer: %v", s.topic, err)
	}
	w.results.mu.Lock()
	w.results.written += s.total.Load()
	w.results.consumed += int64(s.notes.came)
	w.results.redelivered += int64(s.notes.again)
	for _, list := range s.notes.doubled {
		w.results.doubled += int64(len(list))
	}
	w.results.mu.Unlock()
	if s.keep {
		n, err := s.readBack(w.ctx, w.clients[form])
		if err != nil && w.ctx.Err() == nil {
			w.verdict.wrongf("%s, read back: %v", s.topic, err)
		}
		w.read.Add(int64(n))
	}
	err := again(w.ctx, func() error {
		p := w.alone
		if form == 0 {
			p = w.brokers[rand.IntN(len(w.brokers))]
		}
		_, err := p.p.Load().Do(w.ctx, "DELETE", "/admin/v2/"+strings.Replace(s.topic, "://", "/", 1)+"?force=true", "")
		if err != nil && strings.Contains(err.Error(), "HTTP 404") {
			err = nil // an earlier try of ours
		}
		return err
	})
	if err != nil && w.ctx.Err() == nil {
		w.verdict.wrongf("%s is not deleted: %v", s.topic, err)
	}
}
