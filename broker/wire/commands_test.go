package wire

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/strobemq/strobe/broker/wire/pb"
)

var update = flag.Bool("update", false, "write the generated pages")

// The table and the protocol file agree: the same ids under the same names, in order.
func TestTableIsTheProtocol(t *testing.T) {
	if len(Commands) != len(pb.BaseCommand_Type_name) {
		t.Errorf("%d lines for %d commands", len(Commands), len(pb.BaseCommand_Type_name))
	}
	last := Type(0)
	for _, c := range Commands {
		if pb.BaseCommand_Type_name[int32(c.Type)] != c.Name {
			t.Errorf("%d is %q here and %q in the protocol", c.Type, c.Name, pb.BaseCommand_Type_name[int32(c.Type)])
		}
		if c.Type <= last || c.From == 0 || c.State == 0 {
			t.Errorf("%s: out of order or incomplete", c.Name)
		}
		if c.State == Refused && c.From == FromBroker || c.State == Unsent && c.From != FromBroker {
			t.Errorf("%s: %s for a command of the %s", c.Name, c.State, c.From)
		}
		last = c.Type
	}
	if got := Type(99).String(); got != "command 99" {
		t.Error(got)
	}
}

func TestSupportedPageIsFresh(t *testing.T) {
	const page = "../../docs/protocol/supported.md"
	want := supportedPage()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./broker/wire -update", page)
	}
}

func supportedPage() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Commands of the Pulsar protocol

Strobe speaks version %d of the binary protocol. This page is written from the table in broker/wire/commands.go. "Since" is the
protocol version that announced a command; a command of the client that is refused gets the protocol's own error and the
connection goes on; an id that is not listed is answered with an error too.

| id | command | sent by | since | supported | note |
|---:|---|---|---:|---|---|
`, ProtocolVersion)
	for _, c := range Commands {
		since := ""
		if c.Since > 0 {
			since = fmt.Sprint(c.Since)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s |\n", c.Type, c.Name, c.From, since, c.State, c.Note)
	}
	return b.String()
}
