package main

import (
	"encoding/binary"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

// As kernels of little-endian machines print them: IPv4, IPv4 connected, IPv6 loopback, IPv6 unspecified, IPv4 within IPv6, TIME_WAIT.
const socketTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:19FA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 101 1 0000000000000000 100 0 0 10 0
   1: 0100007F:19FA 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 102 1 0000000000000000 20 4 0 10 -1
   2: 00000000000000000000000001000000:19FA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 103 1
   3: 00000000000000000000000000000000:19FB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 104 1
   4: 0000000000000000FFFF00000100007F:19FC 0000000000000000FFFF00000100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 105 1
   5: 0100007F:19FC 0100007F:C351 06 00000000:00000000 03:00001769 00000000     0        0 0 3 0000000000000000
   6: broken
`

func TestSocketsInTheWay(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the table is that of a little-endian machine")
	}
	sockets := readSockets(strings.NewReader(socketTable))
	for addr, want := range map[string]string{
		"127.0.0.1:6650": "101", // the listener, not its connection
		"127.0.0.2:6650": "",
		"[::1]:6650":     "103",
		":6650":          "101 103",
		"127.0.0.1:6651": "104", // listens on all addresses
		"127.0.0.1:6652": "105", // a connection that began at this port
		"127.0.0.1:6653": "",
	} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(inTheWay(sockets, a), " "); got != want {
			t.Errorf("%s: sockets %q, want %q", addr, got, want)
		}
	}
}

func TestPortHolder(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err) // no IPv6 here
			continue
		}
		addr := l.Addr().(*net.TCPAddr)
		if pid, command, err := portHolder(addr); pid != os.Getpid() || command == "" || err != nil {
			t.Errorf("%s: process %d (%s), %v; want this one, %d", addr, pid, command, err, os.Getpid())
		}
		l.Close()
		if pid, _, err := portHolder(addr); err == nil {
			t.Errorf("%s: process %d, after it was closed", addr, pid)
		}
		if said := holder(addr.String()); !strings.Contains(said, "sudo ss -ltnp") {
			t.Errorf("with nothing found: %q", said)
		}
	}
	if _, _, err := ownerOf([]string{"0"}); err != errNoProcess {
		t.Error(err)
	}
}

func FuzzParseSocket(f *testing.F) {
	for line := range strings.Lines(socketTable) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if s, ok := parseSocket(line); ok && (s.local.Port < 0 || s.local.Port > 65535 || !slices.Contains([]int{4, 16}, len(s.local.IP)) || s.inode == "") {
			t.Errorf("%q is %+v", line, s)
		}
	})
}
