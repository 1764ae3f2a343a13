package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/strobemq/strobe/internal/product"
)

// The kinds of processes that are killed.
const (
	bookie     = "bookie"
	broker     = "broker"
	host       = "host"
	etcd       = "etcd"
	standalone = "standalone"
	postgres   = "postgres"
)

var kindNames = []string{bookie, broker, host, etcd, standalone, postgres}

// member is a strobe process that is killed and started again.
type member struct {
	name  string
	watch *watch

	knife sync.Mutex // held from the kill until it serves again; of several bookies in their order, and before a broker's
	p     atomic.Pointer[product.Process]
}

// readyTime is how long a process may take until it serves.
const readyTime = 60 * time.Second

// strike kills m, in the phase if that begins soon, and starts it again after down. Nobody else kills it meanwhile.
func (w *world) strike(kind string, m *member, phase string, down time.Duration) error {
	m.knife.Lock()
	defer m.knife.Unlock()
	if phase == "load" || phase == "recovery" { // these begin when a process does
		w.kill(kind, m)
		if err := w.again(m); err != nil {
			return err
		}
	}
	w.await(m.watch, phase)
	w.kill(kind, m)
	sleep(w.ctx, down)
	return w.again(m)
}

// kill kills m, whose knife is held.
func (w *world) kill(kind string, m *member) {
	m.p.Load().Kill()
	in := m.watch.killed(nil)
	w.counts.killed(kind, in)
	w.did("%s%s", m.name, inPhases(in))
}

// inPhases is how a list of phases is written behind a name.
func inPhases(in []string) string {
	if len(in) == 0 {
		return ""
	}
	return " (" + strings.Join(in, ", ") + ")"
}

// phaseTime is how long a phase is waited for.
const phaseTime = 1500 * time.Millisecond

// await returns when the phase begins, at a random moment if it does not.
func (w *world) await(of *watch, phase string) {
	if phase == "" {
		return
	}
	begun, forget := of.begins(phase)
	defer forget()
	t := time.NewTimer(phaseTime)
	defer t.Stop()
	select {
	case <-begun:
	case <-t.C:
	case <-w.ctx.Done():
	}
}

// again starts m where it was.
func (w *world) again(m *member) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	life, cancel := context.WithCancel(w.ctx)
	late := time.AfterFunc(readyTime, cancel)
	p, err := m.p.Load().Again(life)
	if !late.Stop() && err != nil {
		err = fmt.Errorf("%s was not ready after %v: %w", m.name, readyTime, err)
	}
	if err != nil {
		cancel()
		return fmt.Errorf("%s: %w", m.name, err)
	}
	context.AfterFunc(life, cancel) // with the run
	m.p.Store(p)
	return nil
}

// phase is where the next kill of a kind is to fall: mostly one that was seldom hit, sometimes any moment.
func (w *world) phase(kind string, r *rand.Rand) string {
	if r.IntN(4) == 0 {
		return ""
	}
	return w.counts.rarest(kind, r.IntN(3))
}

func (w *world) killBookie(r *rand.Rand) error {
	if r.IntN(12) == 0 {
		return w.killAllBookies(r)
	}
	m := w.bookies[r.IntN(len(w.bookies))]
	return w.strike(bookie, m, w.phase(bookie, r), time.Duration(r.IntN(800))*time.Millisecond)
}

// killAllBookies kills them at once: nothing but their disks is left.
func (w *world) killAllBookies(r *rand.Rand) error {
	for _, m := range w.bookies {
		m.knife.Lock()
		defer m.knife.Unlock()
	}
	for _, m := range w.bookies {
		_ = m.p.Load().Pause() // at one moment; a process that is gone is noticed elsewhere
	}
	for _, m := range w.bookies {
		w.kill(bookie, m)
	}
	sleep(w.ctx, time.Duration(r.IntN(300))*time.Millisecond)
	errs := make(chan error, len(w.bookies))
	for _, m := range w.bookies {
		go func() { errs <- w.again(m) }()
	}
	var all []error
	for range w.bookies {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// killBroker kills the broker that serves most topics, mostly. Now it is back before its session ends, now the other one takes its topics over.
func (w *world) killBroker(r *rand.Rand) error {
	m := w.brokers[r.IntN(len(w.brokers))]
	if r.IntN(5) > 0 {
		m = w.busiest()
	}
	down := time.Duration(r.IntN(300)) * time.Millisecond
	if r.IntN(3) == 0 {
		down = sessionTime + time.Duration(r.IntN(1500))*time.Millisecond
	}
	phase := w.phase(broker, r)
	if phase != "ensemble change" {
		return w.strike(broker, m, phase, down)
	}
	// That begins when a bookie is lost.
	b := w.bookies[r.IntN(len(w.bookies))]
	b.knife.Lock()
	defer b.knife.Unlock()
	w.kill(bookie, b)
	err := w.strike(broker, m, phase, down)
	return errors.Join(err, w.again(b))
}

// busiest is the broker with the most topics.
func (w *world) busiest() *member {
	best, most := w.brokers[0], -1.0
	for _, m := range w.brokers {
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		n, err := m.p.Load().Metric(ctx, "strobe_topics_loaded")
		cancel()
		if err == nil && n > most {
			best, most = m, n
		}
	}
	return best
}

func (w *world) killEtcd(r *rand.Rand) error {
	m := w.etcd.Members[r.IntN(len(w.etcd.Members))]
	if r.IntN(2) == 0 {
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		leader, err := w.etcd.Leader(ctx)
		cancel()
		if err != nil {
			return err
		}
		m = leader
	}
	m.Kill()
	w.counts.killed(etcd, nil)
	w.did("etcd")
	sleep(w.ctx, time.Duration(r.IntN(500))*time.Millisecond)
	if err := m.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, readyTime)
	defer cancel()
	return w.etcd.Wait(ctx)
}

func (w *world) killStandalone(r *rand.Rand) error {
	return w.strike(standalone, w.alone, w.phase(standalone, r), time.Duration(r.IntN(300))*time.Millisecond)
}

// killHost kills a child that holds functions and sources, of the cluster or of the standalone; strobe itself starts it again, later and later if
// it goes often.
func (w *world) killHost(r *rand.Rand) error {
	parents := append([]*member{w.alone}, w.brokers...)
	phase := w.phase(host, r)
	deadline := time.Now().Add(readyTime)
	for w.ctx.Err() == nil {
		r.Shuffle(len(parents), func(i, j int) { parents[i], parents[j] = parents[j], parents[i] })
		for _, m := range parents {
			if childOf(m.p.Load().PID) == 0 {
				continue
			}
			w.await(m.watch, phase)
			pid := childOf(m.p.Load().PID)
			if pid == 0 {
				continue // it went meanwhile
			}
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
			sleep(w.ctx, 20*time.Millisecond)      // its last lines come through a pipe that its parent keeps open
			in := m.watch.killed(func(phase string) bool { return strings.HasPrefix(phase, "host/") })
			w.counts.killed(host, in)
			w.did("host of %s%s", m.name, inPhases(in))
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no process for functions and sources was there for %v", readyTime)
		}
		sleep(w.ctx, 20*time.Millisecond)
	}
	return w.ctx.Err()
}

// childOf is the process that pid has started, 0 if there is none.
func childOf(pid int) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is ours
	for _, t := range tasks {
		text, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		if f := strings.Fields(string(text)); len(f) > 0 {
			child, _ := strconv.Atoi(f[0])
			return child
		}
	}
	return 0
}

func (w *world) killPostgres(r *rand.Rand) error {
	w.postgres.Kill()
	w.counts.killed(postgres, nil)
	w.did("postgres")
	sleep(w.ctx, time.Duration(r.IntN(300))*time.Millisecond)
	return w.postgres.Restart()
}
