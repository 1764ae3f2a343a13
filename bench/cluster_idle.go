package main

import (
	"context"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

// measureClusterIdle looks at a fresh cluster that nobody uses, and at the etcd beside it.
func measureClusterIdle(ctx context.Context, b *bench) error {
	d, err := b.deploy(ctx, five, b.strobe, "idle")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := rest(ctx, settle); err != nil {
		return err
	}
	etcd := []int{d.cluster.Etcd.Members[0].PID()}
	for _, of := range []struct {
		what string
		pids []int
	}{{"a broker and three bookies", d.pids()}, {"etcd", etcd}} {
		var sum int64
		for _, pid := range of.pids {
			v, err := machine.RSS(pid)
			if err != nil {
				b.add(report.Row{What: "resident memory", Note: err.Error()})
				return nil
			}
			sum += v
		}
		b.add(report.Row{What: "resident memory, idle, " + of.what, Unit: report.Megabytes, Product: float64(sum)})
	}
	ours, theirs := cpu(d.pids()), cpu(etcd)
	if err := rest(ctx, idleFor); err != nil {
		return err
	}
	b.add(report.Row{What: "one core, idle for 10 s, a broker and three bookies", Unit: report.Percent, Product: (cpu(d.pids()) - ours).Seconds() / idleFor.Seconds()})
	b.add(report.Row{What: "one core, idle for 10 s, etcd", Unit: report.Percent, Product: (cpu(etcd) - theirs).Seconds() / idleFor.Seconds()})
	return nil
}
