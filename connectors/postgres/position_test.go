package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
	"github.com/strobemq/strobe/internal/fault"
)

func insert(keys ...string) string {
	var values []string
	for _, k := range keys {
		values = append(values, fmt.Sprintf("('T', %s)", literal(k)))
	}
	return "insert into outboxevent (aggregatetype, aggregateid) values " + strings.Join(values, ", ")
}

func keys(rows []got) string {
	var list []string
	for _, g := range rows {
		list = append(list, g.key)
	}
	return strings.Join(list, " ")
}

// wants checks that err is an occurrence of f, of a class, and that its fix says what to do.
func wants(t *testing.T, err error, f *fault.Fault, class connectors.Class, fix string) {
	t.Helper()
	if !fault.Has(err, f) {
		t.Fatalf("got %v, want %s", err, f.Code)
	}
	if c := connectors.ClassOf(err); c != class {
		t.Errorf("%v is of class %v, want %v", err, c, class)
	}
	if e, _ := fault.Of(err); !strings.Contains(e.FixText(), fix) {
		t.Errorf("the fix is %q, want it to say %q", e.FixText(), fix)
	}
}

func stored(t *testing.T, store *connectortest.Store) checkpoint {
	t.Helper()
	c, err := decodeCheckpoint(store.Value())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPositionMovesWithAcknowledgementsOnly(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	first := stored(t, store)
	if first.Drained || first.Slot != "strobe_"+d.name || first.Sequence < firstNumber(time.Now().Add(-time.Minute)) {
		t.Errorf("a new source begins with %+v", first)
	}
	d.exec(insert("a", "b"), insert("c"))
	b, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := stored(t, store); got.LSN != first.LSN || got.Sequence != first.Sequence {
		t.Errorf("reading moved the position to %+v", got)
	}
	confirmed := func() string {
		return d.ask("select confirmed_flush_lsn::text from pg_replication_slots where slot_name = " + literal(s.config.slot))
	}
	if c := confirmed(); c != first.LSN.String() {
		t.Errorf("confirmed %s, want %v", c, first.LSN)
	}
	rows := len(b.Records)
	if err := b.Ack(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	read(t, s, 3-rows)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	last := stored(t, store)
	if last.Sequence != first.Sequence+3 || !last.Drained || last.LSN <= first.LSN {
		t.Errorf("stored %+v after %+v and three rows", last, first)
	}
	eventually(t, "the slot confirms what was stored", func() bool { return confirmed() == last.LSN.String() })

	d.exec(insert("d"))
	if g := read(t, d.start(store, nil), 1)[0]; g.key != "d" || g.sequence != last.Sequence+1 {
		t.Errorf("after a restart: %+v, want number %d", g, last.Sequence+1)
	}
}

func TestIdleSourceLetsWALGo(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "create table busy (id int)", "create table beats (at timestamptz)")
	store := &connectortest.Store{}
	env := d.env(store)
	m := newMetrics()
	env.Metrics = m
	s := d.sourceWith(env, map[string]any{"heartbeat": map[string]any{"interval": "1s", "query": "insert into public.beats values (now())"}})
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := stored(t, store)
	d.exec("insert into busy select generate_series(1, 1000)")
	target := d.ask("select pg_current_wal_lsn()::text")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Read(ctx)
		done <- err
	}()
	eventually(t, "the slot moves over others' WAL", func() bool {
		return d.ask(fmt.Sprintf("select (confirmed_flush_lsn >= %s)::text from pg_replication_slots where slot_name = %s", literal(target), literal(s.config.slot))) == "true"
	})
	if c := stored(t, store); c.LSN <= first.LSN || c.Sequence != first.Sequence {
		t.Errorf("stored %+v after %+v without a row", c, first)
	}
	eventually(t, "the heartbeat statement runs", func() bool { return d.ask("select count(*)::text from beats") != "0" })
	eventually(t, "the slot is measured", func() bool { m.mu.Lock(); defer m.mu.Unlock(); _, ok := m.gauges["slot_retained_bytes"]; return ok })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("read ended with %v", err)
	}
}

// With rows that are not acknowledged, time and others' WAL must not move the position over them.
func TestIdlePositionStaysBeforeWhatIsOut(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "create table busy (id int)")
	store := &connectortest.Store{}
	s := d.start(store, map[string]any{"heartbeat": map[string]any{"interval": "1s"}})
	first := stored(t, store)
	d.exec(insert("a"))
	if _, err := s.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.exec("insert into busy select generate_series(1, 1000)", insert("b"))
	if _, err := s.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if c := stored(t, store); c.LSN != first.LSN || c.Drained {
		t.Errorf("stored %+v with two rows out", c)
	}
	if rows := read(t, d.start(store, nil), 2); keys(rows) != "a b" || rows[0].sequence != first.Sequence+1 {
		t.Errorf("rows came again as %+v", rows)
	}
}

func TestDroppedSlotStopsTheSource(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	d.exec(insert("a"))
	read(t, s, 1)
	s.Close()
	last := stored(t, store)
	d.exec("select pg_drop_replication_slot(" + literal(s.config.slot) + ")")
	d.exec(insert("lost"))
	err := d.source(store, nil).Connect(t.Context())
	wants(t, err, fault.PostgresSlotDropped, connectors.Fatal, "acceptGapAfter: "+last.LSN.String())
	if stored(t, store).LSN != last.LSN {
		t.Error("the position moved")
	}
	// A gap that another position names is not this one.
	err = d.source(store, map[string]any{"acceptGapAfter": "0/1"}).Connect(t.Context())
	wants(t, err, fault.PostgresSlotDropped, connectors.Fatal, "acceptGapAfter: "+last.LSN.String())

	s = d.start(store, map[string]any{"acceptGapAfter": last.LSN.String()})
	d.exec(insert("b"))
	g := read(t, s, 1)[0]
	if g.key != "b" || g.sequence < last.Sequence+gapJump {
		t.Errorf("after the gap came %+v; numbers up to %d were used", g, last.Sequence)
	}
	s.Close()
	// The key may stay; it accepts nothing any more.
	d.exec(insert("c"))
	s = d.start(store, map[string]any{"acceptGapAfter": last.LSN.String()})
	if again := read(t, s, 1)[0]; again.key != "c" || again.sequence != g.sequence+1 {
		t.Errorf("the next row is %+v after number %d", again, g.sequence)
	}
}

func TestSlotAheadOfThePosition(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	s.Close()
	d.exec(insert("stolen"))
	d.ask("select pg_replication_slot_advance(" + literal(s.config.slot) + ", pg_current_wal_lsn())::text")
	err := d.source(store, nil).Connect(t.Context())
	wants(t, err, fault.PostgresSlotAhead, connectors.Fatal, "acceptGapAfter: "+stored(t, store).LSN.String())
	s = d.start(store, map[string]any{"acceptGapAfter": stored(t, store).LSN.String()})
	d.exec(insert("next"))
	if g := read(t, s, 1)[0]; g.key != "next" {
		t.Errorf("got %+v", g)
	}
}

func TestPositionOfAnotherServerOrSlot(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	s.Close()
	right := stored(t, store)
	set := func(change func(*checkpoint)) {
		c := right
		change(&c)
		data, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		store.Set(data)
	}
	connect := func(changes map[string]any) error { return d.source(store, changes).Connect(t.Context()) }

	set(func(c *checkpoint) { c.System = "7000000000000000000" })
	wants(t, connect(nil), fault.PostgresOtherSystem, connectors.Fatal, "acceptGapAfter")
	set(func(c *checkpoint) { c.Timeline = 7 })
	wants(t, connect(nil), fault.PostgresTimeline, connectors.Fatal, "timeline: 1")
	wants(t, connect(map[string]any{"timeline": 1}), fault.PostgresTimeline, connectors.Fatal, "acceptGapAfter")
	set(func(*checkpoint) {})
	wants(t, connect(map[string]any{"slot": "another"}), fault.PostgresCheckpoint, connectors.Fatal, "slot: "+right.Slot)
	store.Set([]byte(`{"version": 2}`))
	wants(t, connect(nil), fault.PostgresCheckpoint, connectors.Fatal, "newer version")
	store.Set([]byte(`{"version": 1}`))
	wants(t, connect(nil), fault.PostgresCheckpoint, connectors.Fatal, "")
	store.Set([]byte(`garbage`))
	wants(t, connect(nil), fault.PostgresCheckpoint, connectors.Fatal, "")

	set(func(*checkpoint) {})
	if err := connect(nil); err != nil {
		t.Error(err)
	}
}

// A new routing rule takes over where nothing is on its way: rows that an earlier process may have sent keep their topics.
func TestNewShapeWaitsForRowsOnTheirWay(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	d.exec(insert("a", "b"), insert("c"))
	var first []got
	for len(first) < 3 {
		b, err := s.Read(t.Context()) // sent, but the process dies before it knows
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			first = append(first, copyOf(r))
		}
	}
	store.Kill()
	s.Close()
	store = store.Survivor()
	d.exec(insert("d"))

	changed := map[string]any{"topic": "new." + placeholder}
	s = d.start(store, changed)
	again := read(t, s, 4)
	for i, g := range first {
		if again[i] != g {
			t.Errorf("row %d came again as %+v, first as %+v", i, again[i], g)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	result := make(chan got)
	go func() { // the switch happens while the source waits for rows
		defer close(result)
		b, err := s.Read(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		g := copyOf(b.Records[0])
		if err := b.Ack(ctx, nil); err != nil {
			t.Error(err)
		}
		result <- g
	}()
	eventually(t, "the new shape is stored", func() bool { return stored(t, store).Shape.Topic == "new."+placeholder })
	d.exec(insert("e"))
	if g := <-result; g.topic != "persistent://public/default/new.T" || g.sequence != again[3].sequence+1 {
		t.Errorf("after the switch: %+v, before it: %+v", g, again[3])
	}
	if topic := again[0].topic; topic != "persistent://public/default/outbox.event.T" {
		t.Errorf("before the switch rows went to %s", topic)
	}
	s.Close()
	// Stopped in order, the next change takes effect at once.
	s = d.start(store, nil)
	d.exec(insert("f"))
	if g := read(t, s, 1)[0]; g.topic != "persistent://public/default/outbox.event.T" || g.sequence != again[3].sequence+2 {
		t.Errorf("after the second change: %+v", g)
	}
}

// A source that is deleted and made again must not begin below the numbers that the broker remembers, and a function behind it shifts a
// row's number by 12 bits.
func TestFirstNumber(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	first := firstNumber(now)
	if later := firstNumber(now.Add(time.Minute)); later < first+60_000_000 {
		t.Errorf("a minute after %d comes %d", first, later)
	}
	if far := firstNumber(now.AddDate(40, 0, 0)); far+gapJump >= 1<<(63-12) {
		t.Errorf("in forty years %d does not fit", far)
	}
	if n := firstNumber(time.Unix(0, 0)); n != 1 {
		t.Errorf("a clock that was never set gives %d", n)
	}
}

// A promotion begins a new timeline. The server is made to end a recovery, which is what a promoted standby does.
func TestPromotedServer(t *testing.T) {
	server := mortal.get(t)
	d := newDatabase(t, server)
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	d.exec(insert("a"))
	before := read(t, s, 1)[0]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old := stored(t, store).Timeline
	server.Stop()
	if err := os.WriteFile(filepath.Join(server.Dir, "data", "recovery.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	server.Set("restore_command", "false")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	d.connect()
	eventually(t, "the server is promoted", func() bool { return d.ask("select pg_is_in_recovery()::text") == "false" })
	d.exec(insert("b"))

	err := d.source(store, nil).Connect(t.Context())
	wants(t, err, fault.PostgresTimeline, connectors.Fatal, fmt.Sprintf("timeline: %d", old+1))
	// A position beyond the switch was taken on the old primary after the standby had left it.
	beyond, good := stored(t, store), store.Value()
	beyond.LSN += 1 << 30
	data, err := beyond.encode()
	if err != nil {
		t.Fatal(err)
	}
	store.Set(data)
	err = d.source(store, map[string]any{"timeline": int(old + 1)}).Connect(t.Context())
	wants(t, err, fault.PostgresTimeline, connectors.Fatal, "acceptGapAfter")

	store.Set(good)
	s = d.start(store, map[string]any{"timeline": int(old + 1)})
	if g := read(t, s, 1)[0]; g.key != "b" || g.sequence != before.sequence+1 {
		t.Errorf("after %+v came %+v", before, g)
	}
	if c := stored(t, store); c.Timeline != old+1 {
		t.Errorf("stored timeline %d", c.Timeline)
	}
}

// The commit may come after its last row was done; ending in order waits for it, and then the row does not come again.
func TestEndingWaitsForTheCommit(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	d.exec(insert("a"))
	ctx := t.Context()
	// As if the network were slow: the row is read, its commit not yet.
	st := s.stream
	st.decoder.batch = st.tracker.batch()
	for len(st.decoder.batch.records) == 0 {
		fr, ok, err := st.framer.next()
		if ok {
			err = st.frame(fr)
		} else if err == nil {
			err = st.fill(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !st.decoder.open {
		t.Fatal("the transaction has ended")
	}
	if err := st.handOut(st.decoder.batch).Ack(ctx, nil); err != nil {
		t.Fatal(err)
	}
	row := st.handed
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if c := stored(t, store); !c.Drained || c.Sequence != row {
		t.Errorf("stored %+v, want row %d and drained", c, row)
	}
}
