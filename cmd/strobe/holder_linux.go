package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func howToFind(port int) string {
	return fmt.Sprintf("`sudo ss -ltnp 'sport = :%d'` names the process", port)
}

var (
	errNoSocket  = errors.New("no socket of this network namespace is bound to it any more")
	errNoProcess = errors.New("it belongs to another user, to another container or to the kernel")
)

// portHolder finds the process that has a socket in the way of a: the kernel's tables of sockets give the socket's inode, and the open
// files of processes that we may look at give the process.
func portHolder(a *net.TCPAddr) (pid int, command string, err error) {
	var sockets []socket
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue // a kernel without IPv6
		}
		sockets = append(sockets, readSockets(f)...)
		f.Close()
	}
	inodes := inTheWay(sockets, a)
	if len(inodes) == 0 {
		return 0, "", errNoSocket
	}
	return ownerOf(inodes)
}

// socket is a line of /proc/net/tcp.
type socket struct {
	local  net.TCPAddr
	listen bool
	inode  string
}

// readSockets reads /proc/net/tcp or tcp6 (proc_net_tcp.txt of the kernel's documentation); lines it does not understand are left out.
func readSockets(r io.Reader) []socket {
	var list []socket
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if s, ok := parseSocket(lines.Text()); ok {
			list = append(list, s)
		}
	}
	return list
}

// parseSocket reads "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …". An address is its 32-bit words in the
// machine's byte order, in hex; the port is a number in hex; state 0A is LISTEN.
func parseSocket(line string) (socket, bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return socket{}, false
	}
	host, port, ok := strings.Cut(f[1], ":")
	ip, err := hex.DecodeString(host)
	number, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(ip) != net.IPv4len && len(ip) != net.IPv6len || f[9] == "0" {
		return socket{}, false // inode 0: nobody has the socket any more (TIME_WAIT)
	}
	for word := range slices.Chunk(ip, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	return socket{local: net.TCPAddr{IP: ip, Port: int(number)}, listen: f[3] == "0A", inode: f[9]}, true
}

// inTheWay picks the inodes of the sockets that keep others from a: those that listen, or else those that are connected from there.
func inTheWay(sockets []socket, a *net.TCPAddr) []string {
	var listening, others []string
	for _, s := range sockets {
		if s.local.Port != a.Port || a.IP != nil && !a.IP.IsUnspecified() && !s.local.IP.IsUnspecified() && !s.local.IP.Equal(a.IP) {
			continue
		}
		if s.listen {
			listening = append(listening, s.inode)
		} else {
			others = append(others, s.inode)
		}
	}
	if listening != nil {
		return listening
	}
	return others
}

// ownerOf is the process with the lowest number that has one of the sockets open.
func ownerOf(inodes []string) (pid int, command string, err error) {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, "", err
	}
	for _, l := range links {
		target, err := os.Readlink(l)
		if err != nil {
			continue // gone meanwhile, or not ours to see
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if !ok || !slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			continue
		}
		if p, err := strconv.Atoi(strings.Split(l, "/")[2]); err == nil && (pid == 0 || p < pid) {
			pid = p
		}
	}
	if pid == 0 {
		return 0, "", errNoProcess
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return 0, "", fmt.Errorf("process %d is just ending", pid)
	}
	return pid, strings.Trim(strconv.Quote(string(bytes.TrimSpace(name))), `"`), nil // a name may hold anything
}
