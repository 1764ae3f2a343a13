package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/product"
)

// fault is something that goes wrong once under a steady load, and what is seen of it.
type fault struct {
	name    string
	bookies int
	brokers int           // 0: one
	small   bool          // each bookie has a small file system of its own
	stock   bool          // the publisher is the stock client, which finds another broker
	strike  faultStep     // what goes wrong
	lasts   time.Duration // how long until mend; 0: faultLasts
	mend    faultStep     // nil: it stays
}

type faultStep func(ctx context.Context, c *product.Cluster) error

const (
	// calm is how long publishing goes on before the fault; the first half warms up.
	calm = 20 * time.Second
	// faultLasts is how long a fault lasts unless it says otherwise, and aftermath how long publishing goes on behind it.
	faultLasts = 10 * time.Second
	aftermath  = 10 * time.Second
)

// faults are the rows of the table. away is how long etcd is away.
func faults(away time.Duration) []fault {
	var list []fault
	for _, n := range []int{4, 3} {
		list = append(list,
			fault{name: "a bookie is killed", bookies: n, strike: killBookie0, mend: startBookie0},
			fault{name: "a bookie is stopped (SIGSTOP)", bookies: n,
				strike: func(_ context.Context, c *product.Cluster) error { return c.Bookies[0].Pause() },
				mend:   func(_ context.Context, c *product.Cluster) error { return c.Bookies[0].Resume() }},
			fault{name: "a bookie's disk is full", bookies: n, small: true, strike: fillBookie0, mend: func(_ context.Context, c *product.Cluster) error { return os.Remove(filler(c)) }},
		)
	}
	return append(list,
		fault{name: "all bookies are killed and started again", bookies: 3, lasts: 25 * time.Second,
			strike: func(ctx context.Context, c *product.Cluster) error {
				for _, p := range c.Bookies {
					p.Kill()
				}
				var errs []error
				for i, p := range c.Bookies {
					var err error
					c.Bookies[i], err = p.Again(ctx)
					errs = append(errs, err)
				}
				return errors.Join(errs...)
			}},
		fault{name: "etcd's leader is killed", bookies: 3,
			strike: func(ctx context.Context, c *product.Cluster) error {
				m, err := c.Etcd.Leader(ctx)
				if err == nil {
					m.Kill()
				}
				return err
			}},
		fault{name: "etcd is away for " + away.String(), bookies: 3, lasts: away, strike: killEtcds, mend: startEtcds},
		fault{name: "etcd is away for " + away.String() + ", and a bookie is killed meanwhile", bookies: 4, lasts: away,
			strike: func(ctx context.Context, c *product.Cluster) error {
				err := killEtcds(ctx, c)
				sleep(ctx, 2*time.Second)
				return errors.Join(err, killBookie0(ctx, c))
			}, mend: startEtcds},
		fault{name: "a broker is killed, and the other one takes its topics", bookies: 3, brokers: 2, stock: true, lasts: 20 * time.Second,
			strike: func(ctx context.Context, c *product.Cluster) error {
				p, err := owner(ctx, c.Brokers, faultTopic)
				if err == nil {
					p.Kill()
				}
				return err
			}},
		fault{name: "a broker is stopped (SIGSTOP) and comes back when the other one has its topics", bookies: 3, brokers: 2, stock: true, lasts: 20 * time.Second,
			strike: func(ctx context.Context, c *product.Cluster) error {
				p, err := owner(ctx, c.Brokers, faultTopic)
				if err == nil {
					err = p.Pause()
				}
				return err
			},
			mend: func(_ context.Context, c *product.Cluster) error {
				return errors.Join(c.Brokers[0].Resume(), c.Brokers[1].Resume())
			}},
	)
}

func killBookie0(_ context.Context, c *product.Cluster) error { c.Bookies[0].Kill(); return nil }

func startBookie0(ctx context.Context, c *product.Cluster) (err error) {
	c.Bookies[0], err = c.Bookies[0].Again(ctx)
	return err
}

func killEtcds(_ context.Context, c *product.Cluster) error {
	for _, m := range c.Etcd.Members {
		m.Kill()
	}
	return nil
}

func startEtcds(ctx context.Context, c *product.Cluster) error {
	for _, m := range c.Etcd.Members {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return c.Etcd.Wait(ctx)
}

// filler is the file that fills the file system of bookie 0.
func filler(c *product.Cluster) string { return filepath.Join(c.Bookies[0].Dir(), "data", "filler") }

func fillBookie0(_ context.Context, c *product.Cluster) error {
	f, err := os.Create(filler(c))
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(block)
	}
	if !strings.Contains(err.Error(), "no space") {
		return err
	}
	return nil
}

// smallDisk gives a process a file system of its own and returns what takes it away.
func smallDisk(o *product.Options) (func(), error) {
	dir := filepath.Join(o.Dir, "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("a file system of its own needs the right to mount: %w %s", err, strings.TrimSpace(string(out)))
	}
	return func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "umount %s: %v %s\n", dir, err, out)
		}
	}, nil
}
