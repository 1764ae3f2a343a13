package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/product"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
)

// refuses runs a strobe that must not start, and wants one of its codes from it.
func refuses(t *testing.T, want *fault.Fault, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if args[0] != "cluster" {
		args = append(args, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want.Code+" ") || !strings.Contains(string(out), "fix: ") {
		t.Errorf("strobe %s: want %s, got %v\n%s", strings.Join(args, " "), want.Code, err, out)
	}
	return string(out)
}

// store opens a cluster's metadata, as one of its processes sees it.
func (c *testCluster) store(t *testing.T, prefix string) meta.Store {
	t.Helper()
	o, err := etcd.ParseURL(c.Etcd.URL() + prefix)
	if err != nil {
		t.Fatal(err)
	}
	s, err := etcd.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run runs a verb that must succeed.
func (c *testCluster) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.Brokers[0].Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refused runs a verb that must fail with a code.
func (c *testCluster) refused(t *testing.T, want *fault.Fault, args ...string) {
	t.Helper()
	if out, err := c.Brokers[0].Run(t.Context(), args...); err == nil || !strings.Contains(out, want.Code+" ") || !strings.Contains(out, "fix: ") {
		t.Errorf("strobe %s: want %s, got %s", strings.Join(args, " "), want.Code, out)
	}
}

// holds reads a topic from its beginning and wants these messages, in this order.
func (c *testCluster) holds(t *testing.T, topic string, want ...string) {
	t.Helper()
	out := c.run(t, "consume", topic, "--subscription", "of-"+strings.ReplaceAll(t.Name(), "/", "-"), "--earliest", "-n", fmt.Sprint(len(want)), "--timeout", "20s")
	at := 0
	for _, m := range want {
		i := strings.Index(out[at:], m)
		if i < 0 {
			t.Fatalf("%s lacks %q, or it comes out of order:\n%s", topic, m, out)
		}
		at += i + len(m)
	}
}

// logged waits until a process has logged a code.
func logged(t *testing.T, p *product.Process, want *fault.Fault) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.Log(), want.Code); letRun(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not in the log:\n%s", want.Code, p.Log())
		}
	}
}

func metricOf(t *testing.T, p *product.Process, name string) float64 {
	t.Helper()
	v, err := p.Metric(t.Context(), name)
	if err != nil {
		t.Error(err)
	}
	return v
}

// say sends bytes to a bookie and returns the first answer, without its length; nil when the connection ended instead.
func say(t *testing.T, p *product.Process, bytes []byte) []byte {
	t.Helper()
	nc, err := net.DialTimeout("tcp", p.Bookie, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(bytes); err != nil {
		t.Fatal(err)
	}
	var n [4]byte
	if _, err := io.ReadFull(nc, n[:]); errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, min(binary.BigEndian.Uint32(n[:]), 1<<20))
	if _, err := io.ReadFull(nc, frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

// TestBadInputOfACluster gives a real cluster what it must refuse: each is told by its code, with what to do, and counted; what was
// acknowledged before stays, and everybody else goes on.
func TestBadInputOfACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute and six processes")
	}
	c := startCluster(t, "broker.defaultRetentionTimeInMinutes=-1", "broker.defaultRetentionSizeInMB=-1")
	c.run(t, "produce", "kept", "-m", "kept-1", "-m", "kept-2")
	t.Run("frames", c.badFrames)
	t.Run("metrics", func(t *testing.T) {
		sameMetrics(t, "bookie", get(t, c.Bookies[0].HTTP+"/metrics"))
		sameMetrics(t, "broker", get(t, c.Brokers[0].HTTP+"/metrics"))
	})
	t.Run("keys and fences", c.badKeys)
	t.Run("other clusters", c.otherClusters)
	t.Run("newer formats", c.newerFormats)
	t.Run("volumes", c.badVolumes)
	t.Run("too few bookies", c.tooFewBookies)
}

func (c *testCluster) badFrames(t *testing.T) {
	b := c.Bookies[0]
	count := func(what string) float64 {
		return metricOf(t, b, fmt.Sprintf("strobe_bookie_server_%s_total{bookie=%q}", what, b.ID))
	}
	read := bkwire.AppendRead(nil, 0, 1, 0, nil)
	for what, frame := range map[string][]byte{
		"bad_length":    {0x7f, 0xff, 0xff, 0xff, 2, 1, 0, 0},
		"bad_frame":     {0, 0, 0, 8, 2, 2, 0, 0, 0, 0, 0, 1},
		"bad_operation": {0, 0, 0, 4, 2, 99, 0, 0},
		"other_version": {0, 0, 0, 13, 0x0a, 0x06, 0x08, 0x03, 0x10, 0x07, 0x18, 0x02, 0xc2, 0x06, 0x02, 0x08, 0x67},
	} {
		answer := say(t, b, frame)
		if told := what == "other_version"; (answer != nil) != told {
			t.Errorf("%s is answered with %x", what, answer)
		}
		if n := count(what); n != 1 {
			t.Errorf("%s: counted %v times", what, n)
		}
	}
	logged(t, b, fault.BookieFrame)
	logged(t, b, fault.BookieVersion3)
	unknown := append([]byte{}, read...)
	unknown[4] = 9
	r, err := bkwire.DecodeResponse(say(t, b, unknown))
	if err != nil || r.Code != bk.ErrBadVersion {
		t.Errorf("a frame of version 9: %+v, %v", r, err)
	}
	if n := metricOf(t, b, fmt.Sprintf("strobe_bookie_server_answers_total{bookie=%q,code=\"version_conflict\"}", b.ID)); n != 1 {
		t.Errorf("counted %v times", n)
	}
	c.run(t, "produce", "kept", "-m", "kept-3")
	c.holds(t, "kept", "kept-1", "kept-2", "kept-3")
}

// ledgersOf are the ids of a topic's ledgers.
func (c *testCluster) ledgersOf(t *testing.T, topic string) (ids []int64) {
	t.Helper()
	var places []struct{ Ledgers []struct{ ID int64 } }
	c.strobe(t, 0, &places, "topics", "where", topic)
	for _, p := range places {
		for _, l := range p.Ledgers {
			ids = append(ids, l.ID)
		}
	}
	if len(ids) == 0 {
		t.Fatalf("%s has no ledger", topic)
	}
	return ids
}

// badKeys adds to a ledger of the broker without knowing its key, and fences it behind the broker's back.
func (c *testCluster) badKeys(t *testing.T) {
	c.run(t, "produce", "fenced", "-m", "fenced-1")
	id := c.ledgersOf(t, "fenced")[0]
	key := bkwire.MasterKey(nil)
	wrong := key
	wrong[0]++
	stored := append(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(id)), 1), "what follows is not looked at"...)
	for _, b := range c.Bookies {
		add := append(bkwire.AppendAddRequest(nil, 0, &wrong, len(stored)), stored...)
		if r, err := bkwire.DecodeResponse(say(t, b, add)); err != nil || r.Code != bk.ErrUnauthorized {
			t.Errorf("an add with a wrong key: %+v, %v", r, err)
		}
		if r, err := bkwire.DecodeResponse(say(t, b, bkwire.AppendRead(nil, bk.FlagFence, id, bk.NoEntry, &wrong))); err != nil || r.Code != bk.ErrUnauthorized {
			t.Errorf("a fence with a wrong key: %+v, %v", r, err)
		}
		if n := metricOf(t, b, fmt.Sprintf("strobe_bookie_server_answers_total{bookie=%q,code=\"wrong_master_key\"}", b.ID)); n != 2 {
			t.Errorf("counted %v times", n)
		}
	}
	c.run(t, "produce", "fenced", "-m", "fenced-2") // nobody was fenced
	if ids := c.ledgersOf(t, "fenced"); len(ids) != 1 {
		t.Errorf("ledgers %v", ids)
	}
	for _, b := range c.Bookies {
		if r, err := bkwire.DecodeResponse(say(t, b, bkwire.AppendRead(nil, bk.FlagFence, id, bk.NoEntry, &key))); err != nil || r.Code != bk.OK || r.Entry != bk.NoEntry {
			t.Errorf("a fence: %+v, %v", r, err)
		}
		add := append(bkwire.AppendAddRequest(nil, 0, &key, len(stored)), stored...)
		if r, err := bkwire.DecodeResponse(say(t, b, add)); err != nil || r.Code != bk.ErrFenced {
			t.Errorf("an add to a fenced ledger: %+v, %v", r, err)
		}
	}
	c.run(t, "produce", "fenced", "-m", "fenced-3")
	c.holds(t, "fenced", "fenced-1", "fenced-2", "fenced-3")
	owner := c.Brokers[c.owner(t, 0, "persistent://public/default/fenced")]
	if n := metricOf(t, owner, "strobe_ledger_writers_fenced_total"); n != 1 {
		t.Errorf("%v writers were fenced", n)
	}
}

func (c *testCluster) otherClusters(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	two := c.Etcd.URL() + "/two"
	if out, err := exec.Command(path, "cluster", "init", "--metadata", two, "--set", "broker.clusterName=two").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	copied := t.TempDir()
	copyVolume(t, c.Bookies[0], filepath.Join(copied, "bookie"))
	before, err := os.ReadFile(filepath.Join(c.Brokers[0].Dir(), "data", clusterFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(copied, "broker"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "broker", clusterFile), before, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(copied, "empty")
	refuses(t, fault.BookieForeign, "bookie", "--metadata", two, "--data", filepath.Join(copied, "bookie"))
	refuses(t, fault.ClusterForeign, "broker", "--metadata", two, "--data", filepath.Join(copied, "broker"), "--set", "broker.clusterName=two")
	refuses(t, fault.ClusterName, "broker", "--metadata", two, "--data", empty)
	for _, role := range []string{"bookie", "broker"} {
		refuses(t, fault.ClusterMissing, role, "--metadata", c.Etcd.URL()+"/three", "--data", empty)
	}
	m := c.store(t, "/two")
	if clusters, err := m.List(t.Context(), "/admin/clusters"); err != nil || strings.Join(clusters, " ") != "global two" {
		t.Errorf("a refused broker left %v, %v", clusters, err)
	}
	const newer = "3\nsomething.New:7"
	if _, err := m.Put(t.Context(), bkwire.LayoutPath, []byte(newer), meta.Any); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"bookie", "broker"} {
		refuses(t, fault.ClusterLayout, role, "--metadata", two, "--data", empty, "--set", "broker.clusterName=two")
	}
	refuses(t, fault.ClusterLayout, "cluster", "init", "--metadata", two)
	if v, err := m.Get(t.Context(), bkwire.LayoutPath); err != nil || string(v.Data) != newer {
		t.Errorf("the layout is %q, %v", v.Data, err)
	}
}

// newerFormats writes what later versions may write below the feet of a cluster.
func (c *testCluster) newerFormats(t *testing.T) {
	m := c.store(t, "")
	for _, x := range []struct {
		topic, value string
		key          func(topic string) string
		want         *fault.Fault
	}{
		{"newer-ledger", "BookieMetadataFormatVersion\t4\nwhatever", func(topic string) string { return bkwire.LedgerPath(c.ledgersOf(t, topic)[0]) }, fault.LedgerFormat},
		{"newer-node", "\x47\x78\x00\x00\x00\x02\x08\x09whatever", func(topic string) string { return "/managed-ledgers/public/default/persistent/" + topic }, fault.ManagedFormat},
	} {
		c.run(t, "produce", x.topic, "-m", "old")
		key := x.key(x.topic)
		v, err := m.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		good := v.Data
		if _, err := m.Put(t.Context(), key, []byte(x.value), v.Version); err != nil {
			t.Fatal(err)
		}
		owner := c.Brokers[c.owner(t, 0, "persistent://public/default/"+x.topic)]
		owner.Kill() // it goes on with what it knows; the next owner reads
		for i := range c.Brokers {
			if c.Brokers[i] == owner {
				again(t, &c.Brokers[i])
			}
		}
		c.refused(t, x.want, "produce", x.topic, "-m", "new")
		if v, err := m.Get(t.Context(), key); err != nil || string(v.Data) != x.value {
			t.Errorf("%s is now %q, %v", key, v.Data, err)
		}
		c.run(t, "produce", "kept", "-m", "kept-"+x.topic)
		if _, err := m.Put(t.Context(), key, good, meta.Any); err != nil { // the newer version has read it meanwhile, let us say
			t.Fatal(err)
		}
		c.run(t, "produce", x.topic, "-m", "new")
		c.holds(t, x.topic, "old", "new")
	}
	c.holds(t, "kept", "kept-1", "kept-2", "kept-3", "kept-newer-ledger", "kept-newer-node")
}

// copyVolume copies the directory of a bookie that runs.
func copyVolume(t *testing.T, b *product.Process, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(filepath.Join(b.Dir(), "data"))); err != nil {
		t.Fatal(err)
	}
}

// badVolumes has two bookies on one volume, a copy of one in use, and an emptied one.
func (c *testCluster) badVolumes(t *testing.T) {
	url, b := c.Etcd.URL(), c.Bookies[1]
	said := refuses(t, fault.SegmentDirectoryInUse, "bookie", "--metadata", url, "--data", filepath.Join(b.Dir(), "data"))
	if !strings.Contains(said, fmt.Sprintf("process %d", b.PID)) {
		t.Errorf("whose it is, is not said: %s", said)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	copyVolume(t, b, copied)
	segments, err := filepath.Glob(filepath.Join(copied, "log", "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, s := range segments { // a copy that lacks the log begins a new segment, ahead of the real one
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
	}
	if said := refuses(t, fault.BookieRegistered, "bookie", "--metadata", url, "--data", copied); !strings.Contains(said, "at "+b.Bookie) {
		t.Errorf("where the other one is, is not said: %s", said)
	}
	b.Kill()
	again(t, &c.Bookies[1])
	if log := c.Bookies[1].Log(); strings.Contains(log, "limbo") {
		t.Errorf("the copy has made the bookie believe that it lost something:\n%s", log)
	}
	if limbo := metricOf(t, c.Bookies[1], fmt.Sprintf("strobe_bookie_log_limbo{bookie=%q}", c.Bookies[1].ID)); limbo != 0 {
		t.Error("the bookie is in limbo")
	}

	lost := c.Bookies[2]
	lost.Kill()
	if err := os.RemoveAll(filepath.Join(lost.Dir(), "data")); err != nil {
		t.Fatal(err)
	}
	again(t, &c.Bookies[2])
	if c.Bookies[2].ID == lost.ID {
		t.Fatal("an empty volume has the id of the lost one")
	}
	logged(t, c.Bookies[2], fault.BookieReplaced)
	if !strings.Contains(c.Bookies[2].Log(), lost.ID) {
		t.Errorf("who was lost is not said:\n%s", c.Bookies[2].Log())
	}
	type bookie struct{ ID, State, LastAddress, ReplacedBy string }
	find := func() (x bookie) {
		var list []bookie
		c.strobe(t, 0, &list, "bookies", "list")
		for _, b := range list {
			if b.ID == lost.ID {
				x = b
			}
		}
		return x
	}
	for deadline := time.Now().Add(20 * time.Second); ; letRun(100 * time.Millisecond) {
		if x := find(); x == (bookie{lost.ID, "down", lost.Bookie, c.Bookies[2].ID}) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the lost bookie is shown as %+v", x)
		}
	}
	c.refused(t, fault.BookieAlive, "bookies", "forget", c.Bookies[0].ID)
	c.refused(t, fault.BookieNamed, "bookies", "forget", lost.ID)
	c.run(t, "bookies", "forget", lost.ID, "--force")
	if x := find(); x.ID != "" {
		t.Errorf("a forgotten bookie is shown as %+v", x)
	}
	c.run(t, "produce", "kept", "-m", "kept-last")
	c.holds(t, "kept", "kept-1", "kept-2", "kept-3", "kept-newer-ledger", "kept-newer-node", "kept-last")
	c.holds(t, "fenced", "fenced-1", "fenced-2", "fenced-3")
}

// tooFewBookies gives a publish up that cannot be acknowledged.
func (c *testCluster) tooFewBookies(t *testing.T) {
	for _, b := range c.Bookies[:2] {
		b.Kill()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, "produce", "kept", "-m", "unanswered", "--broker", c.Brokers[0].Pulsar)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), fault.CLIUnanswered.Code) || !strings.Contains(string(out), "fix: ") {
		t.Errorf("%v\n%s", err, out)
	}
	for i := range 2 {
		again(t, &c.Bookies[i])
	}
	c.run(t, "produce", "kept", "-m", "kept-again")
	c.holds(t, "kept", "kept-1", "kept-2", "kept-3", "kept-newer-ledger", "kept-newer-node", "kept-last")
}
