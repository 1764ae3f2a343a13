package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// cluster is the nodes of one history and what happened to them.
type cluster struct {
	seed     uint64
	plan     *plan
	h        *history
	record   *record
	net      *network
	meta     *metadata
	instance string
	bookies  []*bookieNode
	log      io.Writer // of the product; nil: nobody reads it

	life       context.Context // ends when the time of faults does
	background sync.WaitGroup  // whatever ends by itself once life is over

	mu      sync.Mutex
	brokers map[string]*broker // by node
	names   int
	blocks  int
}

// newCluster makes the nodes of a plan; none runs yet.
func newCluster(seed uint64, p *plan, log io.Writer) (*cluster, error) {
	h := newHistory()
	c := &cluster{seed: seed, plan: p, h: h, record: newRecord(h), net: newNetwork(newDice(seed, "network")), brokers: map[string]*broker{}, log: log}
	c.net.delay, c.net.jitter, c.net.window, c.net.split = p.Delay, p.Jitter, p.Window, p.Split
	c.meta = &metadata{Store: memory.New(), n: c.net, h: h, patience: p.Timeout, ttl: p.MetaTTL, sessions: map[*session]bool{}}
	c.meta.loss.Store(int64(p.MetaLoss))
	var err error
	if c.instance, err = ledger.Format(context.Background(), c.meta.Store); err != nil {
		return nil, err
	}
	for _, name := range p.Bookies {
		b, err := newBookieNode(c, name)
		if err != nil {
			return nil, err
		}
		c.bookies = append(c.bookies, b)
	}
	return c, nil
}

func (c *cluster) logger(node string) *slog.Logger {
	if c.log == nil {
		return nil
	}
	return slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", node)
}

func (c *cluster) nextName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names++
	return fmt.Sprintf("t%d", c.names)
}

func (c *cluster) nextBlock() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks++
	return c.blocks
}

// ended hands what is left of a process to the background.
func (c *cluster) ended(life *sync.WaitGroup) { c.background.Go(life.Wait) }

func (c *cluster) broker(node string) *broker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.brokers[node]
}

// boot starts the broker of a node, as a new process.
func (c *cluster) boot(node string) *broker {
	b := c.startBroker(node)
	c.mu.Lock()
	c.brokers[node] = b
	c.mu.Unlock()
	return b
}

func (c *cluster) bookie(name string) *bookieNode {
	for _, b := range c.bookies {
		if b.name == name {
			return b
		}
	}
	return nil
}

// nodes are all nodes, that of the metadata included.
func (c *cluster) nodes() []string {
	list := append([]string{metaNode, peekNode}, c.plan.Brokers...)
	return append(list, c.plan.Bookies...)
}

// run plays the plan: everything starts, faults come and go, everything heals and ends.
func (c *cluster) run() {
	var end context.CancelFunc
	c.life, end = context.WithCancel(context.Background())
	defer end()
	for _, b := range c.bookies {
		b.boot()
	}
	for _, node := range c.plan.Brokers {
		c.boot(node)
	}
	_ = sleep(c.life, 50*time.Millisecond)
	c.broker(c.plan.Brokers[0]).own()
	peeking := c.peek()
	began := time.Now()
	for _, e := range c.plan.Events {
		time.Sleep(time.Until(began.Add(e.at)))
		c.play(e)
	}
	time.Sleep(time.Until(began.Add(c.plan.Length)))
	end()
	c.h.note("faults end")
	c.heal()
	peeking.Wait()
	c.settle()
	c.judge()
	c.bury()
}

// settleTime is how long things may take once there are no faults any more.
const settleTime = 90 * time.Second

// within reports whether f ends in settleTime.
func (c *cluster) within(what string, f func()) bool {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	began := c.h.now()
	t := time.NewTimer(settleTime)
	defer t.Stop()
	select {
	case <-done:
		c.h.note("%s after %v", what, c.h.now()-began)
		return true
	case <-t.C:
		c.h.fault("%s: not after %v without faults", what, settleTime)
		return false
	}
}

// settle ends the brokers' lives in peace.
func (c *cluster) settle() {
	c.within("everything published is answered", c.record.wait)
	for _, node := range c.plan.Brokers {
		b := c.broker(node)
		ctx, cancel := context.WithTimeout(context.Background(), settleTime)
		b.shut(ctx)
		c.within(node+" ends", func() { <-b.closed })
		cancel()
	}
	c.within("all bookies run", func() {
		for _, b := range c.bookies {
			for b.bookie() == nil {
				time.Sleep(startPause)
			}
		}
	})
}

// bury ends the bookies and the metadata store.
func (c *cluster) bury() {
	for _, b := range c.bookies {
		b.kill()
	}
	c.within("nothing runs any more", c.background.Wait)
	c.meta.Store.Close()
	time.Sleep(settleTime) // requests that nobody waits for end; what is left then is left for ever
}

// wait waits until everything published is answered.
func (r *record) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.inFlight > 0 {
		r.calm.Wait()
	}
}
