package product

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Profiled adds to o what makes the server and its child serve profiles.
func (o Options) Profiled() (Options, Profiles, error) {
	var p Profiles
	for _, addr := range []*string{&p.Server, &p.Host} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return o, p, err
		}
		*addr = l.Addr().String()
		l.Close()
	}
	o.Env = append(o.Env, "STROBE_PPROF="+p.Server, "STROBE_PPROF_HOST="+p.Host)
	return o, p, nil
}

// Profiles are the addresses at which a server (and its child, once there is one) serves profiles.
type Profiles struct{ Server, Host string }

// CPU writes a processor profile of the next d into file.
func CPU(ctx context.Context, addr, file string, d time.Duration) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/debug/pprof/profile?seconds="+strconv.Itoa(max(1, int(d.Seconds()))), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: HTTP %d", resp.StatusCode)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, resp.Body)
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

// Spent is a function and its share of a profile.
type Spent struct {
	Function string
	Share    float64
}

// Top is the functions in which a profile's time was spent. With ours, time in the runtime, the kernel and libraries counts for the function of
// this module that called them.
func Top(ctx context.Context, file string, n int, ours bool) ([]Spent, error) {
	args := []string{"tool", "pprof", "-top", "-nodecount=" + strconv.Itoa(n)}
	if ours {
		args = append(args, "-show=strobemq/strobe")
	}
	out, err := exec.CommandContext(ctx, "go", append(args, file)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w", err)
	}
	return parseTop(string(out)), nil
}

// parseTop reads lines as "0.5s 21.4% 21.4% 0.6s 30.0%  name of function".
func parseTop(text string) []Spent {
	var list []Spent
	_, table, _ := strings.Cut(text, "flat%")
	_, table, _ = strings.Cut(table, "\n")
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 6 {
			continue
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(f[1], "%"), 64)
		if err != nil || share == 0 {
			continue
		}
		name := strings.TrimSuffix(strings.Join(f[5:], " "), " (inline)")
		list = append(list, Spent{strings.TrimPrefix(name, "github.com/strobemq/strobe/"), share / 100})
	}
	return list
}
