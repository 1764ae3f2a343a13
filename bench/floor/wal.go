package floor

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/strobemq/strobe/bench/machine"
)

// WAL is the probe F7: a plain reader of the inserts that a replication slot holds. It parses them and counts; it stores nothing, and
// confirms nothing while it reads.
type WAL struct {
	DSN         string
	Slot        string
	Publication string
}

// Rows is what a reader saw.
type Rows struct {
	Count       int
	First, Last time.Time
}

// Rate is the rows a second after the first.
func (r Rows) Rate() float64 { return float64(r.Count-1) / r.Last.Sub(r.First).Seconds() }

func (r *Rows) add(now time.Time) {
	if r.Count == 0 {
		r.First = now
	}
	r.Count++
	r.Last = now
}

// stream begins replication where the slot is.
func (w WAL) stream(ctx context.Context, wrap func(net.Conn) net.Conn) (*pgconn.PgConn, error) {
	c, err := pgconn.ParseConfig(w.DSN)
	if err != nil {
		return nil, err
	}
	c.RuntimeParams["replication"] = "database"
	if wrap != nil {
		c.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, nc net.Conn) (net.Conn, error) { return wrap(nc), nil }
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	err = pglogrepl.StartReplication(ctx, conn, w.Slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + w.Publication + "'"}})
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// Library reads with pglogrepl, one message at a time, until want rows have come (0: until ctx ends). each, unless nil, gets the columns of
// every row, valid until it returns.
func (w WAL) Library(ctx context.Context, want int, each func(columns []*pglogrepl.TupleDataColumn)) (Rows, error) {
	var rows Rows
	conn, err := w.stream(ctx, nil)
	if err != nil {
		return rows, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for want == 0 || rows.Count < want {
		m, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return rows, err
		}
		data, ok := m.(*pgproto3.CopyData)
		if !ok {
			return rows, fmt.Errorf("the server sent %T", m)
		}
		if data.Data[0] == pglogrepl.PrimaryKeepaliveMessageByteID {
			err := pglogrepl.SendStandbyStatusUpdate(ctx, conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: 1, WALFlushPosition: 1, WALApplyPosition: 1})
			if err != nil {
				return rows, err
			}
			continue
		}
		x, err := pglogrepl.ParseXLogData(data.Data[1:])
		if err != nil {
			return rows, err
		}
		change, err := pglogrepl.Parse(x.WALData)
		if err != nil {
			return rows, err
		}
		if row, ok := change.(*pglogrepl.InsertMessage); ok {
			rows.add(time.Now())
			if each != nil {
				each(row.Tuple.Columns)
			}
		}
	}
	return rows, nil
}

// nap is how long Raw sleeps when little came: the server sends a packet for each row, and who wakes for each is slower than who lets some
// gather. Go's timers are too coarse for it.
const (
	nap      = 200 * time.Microsecond
	napBelow = 32 << 10
)

// napping sleeps after short reads.
type napping struct {
	net.Conn
	on bool
}

func (n *napping) Read(p []byte) (int, error) {
	k, err := n.Conn.Read(p)
	if n.on && k < napBelow {
		machine.Sleep(nap)
	}
	return k, err
}

// Raw reads the bytes of the stream itself, with naps, and walks over the columns of the inserts where they lie.
func (w WAL) Raw(ctx context.Context, want int) (Rows, error) {
	var rows Rows
	var nc *napping
	conn, err := w.stream(ctx, func(c net.Conn) net.Conn {
		nc = &napping{Conn: c}
		return nc
	})
	if err != nil {
		return rows, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return rows, err
	}
	defer h.Conn.Close()
	defer context.AfterFunc(ctx, func() { h.Conn.Close() })()
	nc.on = true
	err = rawRows(nc, want, &rows)
	return rows, err
}

func rawRows(nc net.Conn, want int, rows *Rows) error {
	r := bufio.NewReaderSize(nc, 1<<20)
	for rows.Count < want {
		head, err := r.Peek(5)
		if err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[1:])) + 1
		if n > r.Size() {
			return fmt.Errorf("a message of %d bytes", n)
		}
		b, err := r.Peek(n)
		if err != nil {
			return err
		}
		if b[0] != 'd' {
			return fmt.Errorf("the server sent %q", b[0])
		}
		// XLogData: its kind, three numbers, the change.
		if d := b[5:]; d[0] == pglogrepl.XLogDataByteID && len(d) > 25 && d[25] == 'I' {
			if err := walkInsert(d[25:]); err != nil {
				return err
			}
			rows.add(time.Now())
		}
		if _, err := r.Discard(n); err != nil {
			return err
		}
	}
	return nil
}

// walkInsert looks at each column of an insert: kind, relation (4), 'N', number of columns (2), and for each its kind and perhaps length and
// bytes.
func walkInsert(b []byte) error {
	if len(b) < 8 {
		return io.ErrUnexpectedEOF
	}
	at := 8
	for range binary.BigEndian.Uint16(b[6:]) {
		if at >= len(b) {
			return io.ErrUnexpectedEOF
		}
		switch b[at] {
		case 't', 'b':
			if at+5 > len(b) {
				return io.ErrUnexpectedEOF
			}
			at += 5 + int(binary.BigEndian.Uint32(b[at+1:]))
		default:
			at++
		}
	}
	if at > len(b) {
		return io.ErrUnexpectedEOF
	}
	return nil
}
