package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/strobemq/strobe/bench/machine"
)

// Debezium is a running Debezium Server that reads an outbox table of Postgres and writes to a Pulsar.
type Debezium struct {
	process  *process
	settings []Setting
}

// DebeziumOptions say what it reads and where it writes.
type DebeziumOptions struct {
	Port        int    // of Postgres
	Password    string // of its user postgres
	Publication string
	Slot        string
	Table       string
	Broker      string // service URL
	Poll        int    // poll.interval.ms; 0: Debezium's own, which is 500
}

// properties is an application.properties: EventRouter's own topic names, which are those of Strobe's source too; at least once, offsets kept
// every second.
const properties = `debezium.sink.type=pulsar
debezium.sink.pulsar.client.serviceUrl=%s
debezium.sink.pulsar.client.keepAliveIntervalSeconds=3600
debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector
debezium.source.offset.storage.file.filename=data/offsets.dat
debezium.source.offset.flush.interval.ms=1000
debezium.source.database.hostname=127.0.0.1
debezium.source.database.port=%d
debezium.source.database.user=postgres
debezium.source.database.password=%s
debezium.source.database.dbname=postgres
debezium.source.topic.prefix=bench
debezium.source.plugin.name=pgoutput
debezium.source.slot.name=%s
debezium.source.publication.name=%s
debezium.source.publication.autocreate.mode=disabled
debezium.source.snapshot.mode=no_data
debezium.source.table.include.list=%s
debezium.source.tombstones.on.delete=false
debezium.transforms=outbox
debezium.transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
debezium.format.key=json
debezium.format.value=json
debezium.format.key.schemas.enable=false
debezium.format.value.schemas.enable=false
`

// StartDebezium starts it below dir. It returns when its HTTP port listens, before it reads.
func StartDebezium(ctx context.Context, s Scripts, dir string, o DebeziumOptions) (*Debezium, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(properties, o.Broker, o.Port, o.Password, o.Slot, o.Publication, o.Table)
	if o.Poll > 0 {
		text += fmt.Sprintf("debezium.source.poll.interval.ms=%d\n", o.Poll)
	}
	file := filepath.Join(dir, "application.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	ports, err := machine.FreePorts(1)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "debezium")
	d := &Debezium{}
	d.process, err = s.launch(ctx, home, s.others(), "start", "debezium", s.Home, "--data", home, "--port", strconv.Itoa(ports[0]), "--config", file)
	if err != nil {
		return nil, err
	}
	if err := d.process.listens(ctx, ports[0]); err != nil {
		d.Close()
		return nil, err
	}
	text = strings.NewReplacer(o.Password, "PASSWORD", dir, "DIR").Replace(text)
	d.settings = []Setting{{"debezium, -Xmx1g: application.properties", strings.TrimSpace(text)}}
	return d, nil
}

// Pause stops it as SIGSTOP does; Resume lets it go on, its code compiled already.
func (d *Debezium) Pause() error  { return d.process.signal(syscall.SIGSTOP) }
func (d *Debezium) Resume() error { return d.process.signal(syscall.SIGCONT) }

// PID is its process; children may do the work.
func (d *Debezium) PID() int { return d.process.cmd.Process.Pid }

// Log is what it wrote last.
func (d *Debezium) Log() string {
	b, _ := os.ReadFile(filepath.Join(d.process.dir, "log"))
	return string(tail(b))
}

// Settings are its configuration.
func (d *Debezium) Settings() []Setting { return d.settings }

// Close kills it.
func (d *Debezium) Close() { d.process.kill() }
