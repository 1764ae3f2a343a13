package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/backoff"
	pulsarlog "github.com/apache/pulsar-client-go/pulsar/log"
)

// silence is how long nothing may come before it counts as lost, or as standing still.
const silence = 60 * time.Second

// newClient is a stock client; what it says goes into a file.
func newClient(url, dir, name string) (pulsar.Client, io.Closer, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, nil, err
	}
	c, err := pulsar.NewClient(pulsar.ClientOptions{URL: url, OperationTimeout: 10 * time.Second, ConnectionTimeout: 5 * time.Second,
		Logger: pulsarlog.NewLoggerWithSlog(slog.New(slog.NewTextHandler(log, nil)))})
	if err != nil {
		log.Close()
		return nil, nil, err
	}
	return c, log, nil
}

// eager comes back sooner than the client's own policy, whose waits double up to a minute: kills come every few seconds.
func eager() backoff.Policy { return &eagerPolicy{} }

type eagerPolicy struct{ wait time.Duration }

func (p *eagerPolicy) Next() time.Duration {
	p.wait = min(max(2*p.wait, 20*time.Millisecond), 300*time.Millisecond)
	return p.wait + rand.N(p.wait/5)
}
func (p *eagerPolicy) IsMaxBackoffReached() bool { return false }
func (p *eagerPolicy) Reset()                    { p.wait = 0 }

// again does what may fail while processes are down, until it succeeds or nothing has come of it for as long as silence.
func again(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(silence)
	for {
		err := do()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// sleep waits for processes to go on; there is no event to wait for.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// endOf is the last entry of a topic.
func endOf(ctx context.Context, client pulsar.Client, topic string) (position, error) {
	var end pulsar.MessageID
	err := again(ctx, func() error {
		r, err := client.CreateReader(pulsar.ReaderOptions{Topic: topic, StartMessageID: pulsar.LatestMessageID(), BackoffPolicyFunc: eager})
		if err != nil {
			return err
		}
		defer r.Close()
		end, err = r.GetLastMessageID()
		return err
	})
	if err != nil {
		return nowhere, fmt.Errorf("%s: ask for the last message: %w", topic, err)
	}
	return position{end.LedgerID(), end.EntryID(), 0}, nil
}
