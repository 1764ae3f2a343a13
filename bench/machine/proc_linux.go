package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one line of /proc/PID/stat.
type process struct {
	pid, parent int
	cpu         float64 // ticks, with those of children that were waited for
}

// readUsage reads the counters of the machine, of this process with its descendants, and of the kernel's threads.
func readUsage() (usage, bool) {
	var u usage
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, false
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return u, false
	}
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal; guest time is part of user
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return u, false
		}
		u.total += v
		switch i {
		case 3, 4:
		case 7:
			u.steal = v
			u.busy += v
		default:
			u.busy += v
		}
	}
	all := processes()
	for _, p := range descendants(all, os.Getpid()) {
		u.own += p.cpu
	}
	for _, p := range descendants(all, 2) { // kthreadd
		u.kernel += p.cpu
	}
	return u, true
}

func processes() []process {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []process
	for _, d := range dir {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			out = append(out, p)
		}
	}
	return out
}

func readProcess(pid int) (process, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false // it is gone
	}
	// The name in the second field may hold anything, its closing parenthesis is the last one.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return process{}, false
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 15 {
		return process{}, false
	}
	p := process{pid: pid}
	p.parent, _ = strconv.Atoi(f[1])
	for _, s := range f[11:15] { // utime stime cutime cstime
		v, _ := strconv.ParseFloat(s, 64)
		p.cpu += v
	}
	return p, true
}

// descendants is the process root and all that come from it.
func descendants(all []process, root int) []process {
	children := map[int][]process{}
	var out []process
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
		if p.pid == root {
			out = append(out, p)
		}
	}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i].pid]...)
	}
	return out
}

// CPU is the processor time that a process and its descendants used.
func CPU(pid int) time.Duration {
	var sum float64
	for _, p := range descendants(processes(), pid) {
		sum += p.cpu
	}
	return time.Duration(sum * float64(time.Second) / ticks)
}

// RSS is the resident memory of a process and its descendants, in bytes. Descendants that have ended and were not waited for have none.
func RSS(pid int) (int64, error) {
	var sum int64
	for _, p := range descendants(processes(), pid) {
		v, err := keyed(fmt.Sprintf("/proc/%d/status", p.pid), "VmRSS:")
		if err != nil && p.pid == pid {
			return 0, err
		}
		sum += v << 10
	}
	return sum, nil
}

// ChildrenRSS is the resident memory of a process's descendants, in bytes.
func ChildrenRSS(pid int) (int64, error) {
	all, err := RSS(pid)
	if err != nil {
		return 0, err
	}
	own, err := keyed(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	return all - own<<10, err
}

// Written is how many bytes a process caused to be written to devices: what it wrote, less what it wrote and then
// deleted before it reached a device.
func Written(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/io", pid)
	w, err := keyed(path, "write_bytes:")
	if err != nil {
		return 0, err
	}
	c, err := keyed(path, "cancelled_write_bytes:")
	return w - c, err
}

// keyed is the number behind a key in a file of lines "key number ...".
func keyed(path, key string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, key)
}

// Free is how many bytes the file system of a directory has left.
func Free(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// Describe says in one line what the machine is.
func Describe() string {
	model := "unknown CPU"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		for s := bufio.NewScanner(f); s.Scan(); {
			if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
		f.Close()
	}
	out := fmt.Sprintf("%d x %s", runtime.NumCPU(), model)
	if kb, err := keyed("/proc/meminfo", "MemTotal:"); err == nil {
		out += fmt.Sprintf(", %d GiB", (kb+1<<19)>>20)
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		version, _, _ := strings.Cut(strings.TrimSpace(string(b)), "-")
		out += ", Linux " + version
	}
	return out + ", " + runtime.Version()
}
