package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
)

// application commits outbox rows from several connections until it is stopped, whatever happens to the server, and remembers which
// commits it knows of.
type application struct {
	dsn     string
	stop    atomic.Bool
	done    sync.WaitGroup
	mu      sync.Mutex
	known   map[string]bool // committed for certain
	unknown map[string]bool // the connection broke during the commit
}

func (a *application) run(ctx context.Context, writer int) {
	defer a.done.Done()
	var conn *pgx.Conn
	for n := 0; !a.stop.Load() && ctx.Err() == nil; n++ {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, a.dsn); err != nil {
				continue
			}
		}
		key := fmt.Sprintf("writer-%d", writer)
		value := fmt.Sprintf("%d/%d", writer, n)
		_, err := conn.Exec(ctx, fmt.Sprintf("insert into outboxevent (aggregatetype, aggregateid, payload) values ('T', %s, %s)", literal(key), literal(`"`+value+`"`)), pgx.QueryExecModeSimpleProtocol)
		a.mu.Lock()
		if err == nil {
			a.known[value] = true
		} else {
			a.unknown[value] = true
		}
		a.mu.Unlock()
	}
	if conn != nil {
		conn.Close(context.Background())
	}
}

// kill -9 of Postgres, and of the source, under load, again and again: behind a broker that deduplicates by number every committed row is
// there once, in the order of its key; rows whose commit nobody knows of may be there.
func TestKillsUnderLoad(t *testing.T) {
	server := mortal.get(t)
	d := newDatabase(t, server)
	d.exec(outboxTable)
	app := &application{dsn: d.dsn(), known: map[string]bool{}, unknown: map[string]bool{}}
	store := &connectortest.Store{}
	s := d.start(store, nil)

	for writer := range 3 {
		app.done.Add(1)
		go app.run(t.Context(), writer)
	}
	topic := map[uint64]string{} // by number, as deduplication would keep it
	highest := uint64(0)
	last := map[string]int{} // number of the last row of each writer
	deliver := func(r connectors.Record) {
		var writer, n int
		if _, err := fmt.Sscanf(string(r.Payload), `"%d/%d"`, &writer, &n); err != nil {
			t.Fatalf("payload %q: %v", r.Payload, err)
		}
		value := fmt.Sprintf("%d/%d", writer, n)
		if r.Sequence <= highest { // a broker drops it; it must be what is there already
			if topic[r.Sequence] != value {
				t.Fatalf("number %d was %s and comes again as %s", r.Sequence, topic[r.Sequence], value)
			}
			return
		}
		highest = r.Sequence
		topic[r.Sequence] = value
		if key := string(r.Key); n < last[key] {
			t.Fatalf("%s came after row %d of its writer", value, last[key])
		} else {
			last[key] = n
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	connect := func() {
		for s.Connect(ctx) != nil {
			if ctx.Err() != nil {
				t.Fatal("the source did not connect again")
			}
		}
	}
	// readOn handles n batches, every third of which is never acknowledged by this connection.
	readOn := func(n int) {
		for i := 0; i < n; {
			b, err := s.Read(ctx)
			if err != nil {
				if connectors.ClassOf(err) != connectors.Retry || ctx.Err() != nil {
					t.Fatal(err)
				}
				connect()
				continue
			}
			for _, r := range b.Records {
				deliver(r)
			}
			if i++; i%3 != 0 || n == 1 {
				if err := b.Ack(ctx, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	restart := func() {
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 6 {
		readOn(20)
		if round%2 == 0 {
			server.Kill()
			restart()
			continue
		}
		store.Kill() // the source's own end: nothing it does from here on survives
		s.Close()
		store = store.Survivor()
		s = d.source(store, nil)
		connect()
	}
	app.stop.Store(true)
	app.done.Wait()
	d.connect()
	d.exec("insert into outboxevent (aggregatetype, aggregateid, payload) values ('T', 'writer-9', '\"9/1\"')")
	for last["writer-9"] == 0 {
		readOn(1)
	}
	times := map[string]int{}
	for _, value := range topic {
		times[value]++
	}
	if len(app.known) < 100 {
		t.Fatalf("only %d rows were committed", len(app.known))
	}
	for value := range app.known {
		if times[value] != 1 {
			t.Errorf("committed row %s is there %d times", value, times[value])
		}
	}
	for value, n := range times {
		if n != 1 || !app.known[value] && !app.unknown[value] && value != "9/1" {
			t.Errorf("row %s is there %d times, known %v", value, n, app.known[value])
		}
	}
	t.Logf("%d rows committed, %d commits without an answer, %d numbers", len(app.known), len(app.unknown), len(topic))
}
