package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/internal/product"
)

const (
	faultTopic = "persistent://public/default/steady"
	faultRate  = 2000 // messages a second
)

var faultShape = load.Shape{Messages: 1, Size: 1 << 10}

// seen is what came of a fault.
type seen struct {
	fault
	sent, failed int
	before       time.Duration // p99 of 250 ms, the median of those before the fault
	stall        time.Duration // the slowest publish behind the fault
	high         time.Duration // the longest stretch in which p99 was above twice before
	stays        bool          // it was so in the end
	anyway       time.Duration // the longest such stretch before the fault
	after        time.Duration // p99 of 250 ms, the median of the last two seconds
	read         int           // messages read back
	err          error
}

// faultTable goes through the faults whose name contains one of only's parts, each in a cluster of its own, and writes the table; false: a publish failed or a
// message was lost.
func faultTable(ctx context.Context, o options, away time.Duration, only string) (ok bool, err error) {
	if err := o.prepare(); err != nil {
		return false, err
	}
	ok = true
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages of %v a second, published at their times whatever the answers do; 3/3/2, all processes on one machine, etcd with three members.\n\n", faultRate, faultShape)
	fmt.Fprintf(&b, "| what happens | bookies | published | failed | lost | p99 before | p99 in the end | longest stall | p99 above twice that of before for | and before the fault |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for i, f := range faults(away) {
		if !slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(f.name, part) }) {
			continue
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		s := f.run(ctx, o, filepath.Join(o.dir, fmt.Sprintf("fault-%d", i)))
		fmt.Println(s.row())
		if s.err != nil {
			fmt.Println("   ", s.err)
		}
		if s.err != nil || s.failed > 0 || s.read < s.sent {
			ok = false
		}
		b.WriteString(s.row() + "\n")
	}
	if o.out != "" && only == "" {
		if err := replaceTable(o.out, "faults", b.String()); err != nil {
			return false, err
		}
	}
	if ok {
		return true, os.RemoveAll(o.dir)
	}
	fmt.Println("data and logs are in", o.dir)
	return false, nil
}

func (s seen) row() string {
	if s.err != nil && s.sent == 0 {
		return fmt.Sprintf("| %s | %d | left out: %v | | | | | | | |", s.name, s.bookies, s.err)
	}
	high := fmt.Sprintf("%.2f s", s.high.Seconds())
	if s.stays {
		high = "to the end"
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %.1f ms | %.1f ms | %.0f ms | %s | %.2f s |", s.name, s.bookies, s.sent, s.failed, max(0, s.sent-s.failed-s.read),
		millis(s.before), millis(s.after), millis(s.stall), high, s.anyway.Seconds())
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// run starts a cluster, publishes, lets the fault happen and reads everything back.
func (f fault) run(ctx context.Context, o options, dir string) seen {
	s := seen{fault: f}
	if f.lasts == 0 {
		f.lasts = faultLasts
	}
	var failed error
	var disks []func()
	c, err := product.StartCluster(ctx, product.ClusterOptions{Binary: o.strobe, Dir: dir, Etcds: 3, Bookies: f.bookies, Brokers: max(1, f.brokers), Progress: os.Stderr,
		Set: []string{"log.level=debug", "bookie.diskReserveMB=64", "broker.defaultRetentionTimeInMinutes=-1", "broker.defaultRetentionSizeInMB=-1", "broker.brokerDeduplicationEnabled=true"},
		Each: func(name string, p *product.Options) {
			if strings.HasPrefix(name, "bookie-") && f.small && failed == nil {
				var release func()
				if release, failed = smallDisk(p); failed == nil {
					disks = append(disks, release)
				}
			}
		}})
	defer func() {
		for _, release := range disks {
			release()
		}
	}()
	defer c.Kill()
	if s.err = errors.Join(failed, err); s.err != nil {
		return s
	}
	trouble := make(chan error, 1)
	go func() {
		sleep(ctx, calm)
		err := f.strike(ctx, c)
		sleep(ctx, f.lasts)
		if f.mend != nil {
			err = errors.Join(err, f.mend(ctx, c))
		}
		trouble <- err
	}()
	var answers []load.Answer
	if f.stock {
		answers, s.sent, s.failed, s.err = publishStock(ctx, c, calm+f.lasts+aftermath, dir)
	} else {
		answers, s.sent, s.failed, s.err = publish(ctx, c, calm+f.lasts+aftermath)
	}
	s.err = errors.Join(s.err, <-trouble)
	s.judge(answers)
	if s.err == nil {
		s.read, s.err = count(ctx, c, s.sent)
	}
	return s
}

// count reads the topic from its start and says how many messages there are, up to want.
func count(ctx context.Context, c *product.Cluster, want int) (int, error) {
	p, err := owner(ctx, c.Brokers, faultTopic)
	if err != nil {
		return 0, err
	}
	r, err := load.NewConsumer(ctx, p.Pulsar, load.Subscription{Name: "count", Earliest: true}, faultTopic)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	got, err := r.Wait(ctx, uint64(want))
	return int(got.Messages), err
}
