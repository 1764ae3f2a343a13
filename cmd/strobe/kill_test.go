package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	pulsarlog "github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/strobemq/strobe/internal/product"
)

// process is a strobe that a test may kill.
type process struct{ *product.Process }

// programDir holds the binary under test, once a test needed it.
var programDir string

var program = sync.OnceValues(func() (string, error) {
	var err error
	if programDir, err = os.MkdirTemp("", "strobe-test-"); err != nil {
		return "", err
	}
	out := filepath.Join(programDir, "strobe")
	cmd := exec.Command("go", "build", "-o", out, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// start runs strobe and returns when it is ready. Its data is in dir/data; addr and web may name port 0.
func start(t *testing.T, dir, addr, web string, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p, err := product.Start(context.Background(), product.Options{Binary: path, Dir: dir, Listen: addr, HTTP: web, Args: args, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return &process{p}
}

// stop asks it to end in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Close(); err != nil || !p.State().Success() {
		t.Errorf("strobe ended with %v, %v", p.State(), err)
	}
}

func stockClient(t *testing.T, url string) pulsar.Client {
	t.Helper()
	c, err := pulsar.NewClient(pulsar.ClientOptions{URL: url, Logger: pulsarlog.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil)))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// kills is how often TestReceiptsHoldThroughKills kills the process.
const kills = 20

// keys is how many keys a receiptWriter's messages have, in turns.
const keys = 7

// racingClient says why a test is skipped: pulsar-client-go v0.21.0 races with itself when a producer reconnects (it sets the producer's
// name while a send encodes it).
const racingClient = "reconnecting producers of the stock client race with themselves; make test runs this without the detector"

// TestReceiptsHoldThroughKills publishes with the stock client, batched and one by one, while the process is killed again and again. What
// the client holds a receipt for must be there; on the topic with deduplication nothing may be there twice.
func TestReceiptsHoldThroughKills(t *testing.T) {
	if raceEnabled {
		t.Skip(racingClient)
	}
	for _, bookies := range []string{"1", "3"} {
		t.Run("bookies="+bookies, func(t *testing.T) { receiptsHold(t, bookies, kills/2) })
	}
}

func receiptsHold(t *testing.T, bookies string, rounds int) {
	data := t.TempDir()
	// Retention keeps what nobody has subscribed to.
	flags := []string{"--bookies", bookies, "--set", "broker.defaultRetentionTimeInMinutes=-1", "--set", "broker.defaultRetentionSizeInMB=-1",
		"--set", "broker.brokerDeduplicationEnabled=true"}
	p := start(t, data, "127.0.0.1:0", "127.0.0.1:0", flags...)
	client := stockClient(t, p.Pulsar)
	addr, web := p.Pulsar[len("pulsar://"):], p.HTTP[len("http://"):]

	ctx, cancel := context.WithCancel(t.Context())
	writers := []*receiptWriter{
		{topic: "persistent://public/default/batched", batched: true},
		{topic: "persistent://public/default/single"},
	}
	var wg sync.WaitGroup
	for _, w := range writers { // a producer that exists comes back by itself; making one may fail
		producer := w.producer(t, client)
		wg.Go(func() { w.run(ctx, t, producer) })
	}
	for range rounds {
		timer := time.NewTimer(time.Duration(100+rand.IntN(300)) * time.Millisecond) // how long the process is let run
		<-timer.C
		p.Kill()
		p = start(t, data, addr, web, flags...)
	}
	cancel()
	wg.Wait()
	for _, w := range writers {
		w.check(t, stockClient(t, p.Pulsar))
	}
	p.stop(t)
}

// receiptWriter publishes numbered messages and keeps the receipts.
type receiptWriter struct {
	topic   string
	batched bool

	mu       sync.Mutex
	receipts map[int]bool
	sent     int
}

func (w *receiptWriter) producer(t *testing.T, client pulsar.Client) pulsar.Producer {
	t.Helper()
	p, err := client.CreateProducer(pulsar.ProducerOptions{Topic: w.topic, Name: "writer-of-" + filepath.Base(w.topic), DisableBatching: !w.batched,
		BatchingMaxPublishDelay: time.Millisecond, MaxPendingMessages: 500, SendTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *receiptWriter) run(ctx context.Context, t *testing.T, p pulsar.Producer) {
	w.receipts = map[int]bool{}
	var pending sync.WaitGroup
	for n := 0; ctx.Err() == nil; n++ {
		w.sent = n + 1
		pending.Add(1)
		p.SendAsync(context.Background(), &pulsar.ProducerMessage{Payload: []byte(fmt.Sprint(n)), Key: fmt.Sprint(n % keys)}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
			defer pending.Done()
			if err != nil {
				t.Errorf("%s: message %d: %v", w.topic, n, err)
				return
			}
			w.mu.Lock()
			w.receipts[n] = true
			w.mu.Unlock()
		})
		if n%50 == 0 { // paced, so that the kill hits the middle of something and not a full queue
			time.Sleep(time.Millisecond)
		}
	}
	if err := p.FlushWithCtx(context.Background()); err != nil {
		t.Error(err)
	}
	pending.Wait()
	p.Close()
}

// check reads the topic from its start.
func (w *receiptWriter) check(t *testing.T, client pulsar.Client) {
	r, err := client.CreateReader(pulsar.ReaderOptions{Topic: w.topic, StartMessageID: pulsar.EarliestMessageID()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	times := make([]int, w.sent)
	last := -1
	for r.HasNext() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		m, err := r.Next(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%s after message %d: %v", w.topic, last, err)
		}
		var n int
		if _, err := fmt.Sscan(string(m.Payload()), &n); err != nil || n < 0 || n >= w.sent {
			t.Fatalf("%s holds %q, which was never sent", w.topic, m.Payload())
		}
		times[n]++
		if n != last+1 {
			t.Errorf("%s: message %d came after %d", w.topic, n, last)
		}
		last = n
	}
	lost, doubled := 0, 0
	for n, k := range times {
		if k == 0 && w.receipts[n] {
			lost++
		}
		if k > 1 {
			doubled++
		}
	}
	if lost > 0 || doubled > 0 {
		t.Errorf("%s: of %d messages %d with a receipt are lost, %d are there more than once", w.topic, w.sent, lost, doubled)
	}
	t.Logf("%s: %d messages, %d receipts", w.topic, w.sent, len(w.receipts))
}
