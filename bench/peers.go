package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/peers"
	"github.com/strobemq/strobe/bench/report"
)

// peerMeasurements are those of `bench peers`, in this order.
var peerMeasurements = []measurement{
	{"standalone", "Apache Pulsar in one process", alone, measurePeer(alone)},
	{"cluster", "Apache Pulsar as ZooKeeper, three bookies and a broker, 3/3/2", five, measurePeer(five)},
	{"cdc", "Debezium Server and Apache Pulsar in one process", fromPostgres, measurePeerCDC},
}

var fromPostgres = form{title: "From Postgres", about: "An outbox table, read by Strobe's source, and by Debezium Server with EventRouter, whose sink is an Apache Pulsar in one process. One of the two is stopped while the other runs."}

// peersMain runs `bench peers`.
func peersMain(ctx context.Context, args []string) error {
	b := &bench{}
	f := flag.NewFlagSet("bench peers", flag.ContinueOnError)
	b.flags(f)
	f.StringVar(&b.scripts.Dir, "peers", "", "directory with the peers' scripts: apache/apache.sh and peers.sh")
	f.StringVar(&b.scripts.Home, "home", "", "where the peers are kept once they are fetched; empty: in the user's cache")
	out := f.String("out", "", "write the report here too")
	only := f.String("only", "", "only these, with commas: "+names(peerMeasurements))
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if b.scripts.Dir == "" {
		return errors.New("-peers must say where the peers' scripts are")
	}
	if b.scripts.Home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		b.scripts.Home = filepath.Join(cache, "strobe-peers")
	}
	var err error
	if b.scripts.Dir, err = filepath.Abs(b.scripts.Dir); err != nil {
		return err
	}
	chosen, err := choose(peerMeasurements, *only)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "fetching what is not there yet")
	if err := b.scripts.Get(ctx); err != nil {
		return err
	}
	return b.report(ctx, chosen, *out, peerRoom, b.peersMarkdown)
}

// peersMarkdown is the whole report.
func (b *bench) peersMarkdown(took time.Duration) string {
	var out strings.Builder
	out.WriteString("# Beside others\n\nWritten by `make bench-peers PEERS=DIR`, DIR with the scripts that fetch and start the peers; `bench/README.md` says what each line is. ")
	fmt.Fprintf(&out, "One run of %v on %s, data on a real disk, Strobe and peer in turn, both running all the while. ", took.Round(time.Second), machine.Describe())
	out.WriteString(b.noiseText())
	out.WriteString("\n\nOn both sides every acknowledgement comes after a sync of the journal. Strobe's configuration is its default. The peers' is below; all of it is on this machine, with the generator.\n")
	for _, p := range b.parts {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n%s", p.form.title, p.form.about, report.Compare(p.rows))
	}
	out.WriteString("\n## Configuration of the peers\n")
	for _, s := range b.settings {
		fmt.Fprintf(&out, "\n%s\n\n```\n%s\n```\n", s.Of, s.Text)
	}
	return out.String()
}

// keepSettings notes the configuration of a peer, once.
func (b *bench) keepSettings(list []peers.Setting) { b.settings = append(b.settings, list...) }
