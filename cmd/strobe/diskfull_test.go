package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// TestStockClientFullDiskIsRefusedAndRecoveredFrom fills a real file system of its own. Publishing is refused with a reason while the disk is full, what
// was acknowledged is there, and once space is freed publishing goes on without a restart.
func TestStockClientFullDiskIsRefusedAndRecoveredFrom(t *testing.T) {
	if raceEnabled {
		t.Skip(racingClient)
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a file system of its own needs the right to mount: %v %s", err, bytes.TrimSpace(out))
	}
	defer func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	}()
	p := start(t, dir, "127.0.0.1:0", "127.0.0.1:0", "--set", "bookie.segmentSizeMB=4", "--set", "broker.maxMessageSize=1048576", "--set", "bookie.diskReserveMB=24",
		"--set", "broker.defaultRetentionTimeInMinutes=-1", "--set", "broker.defaultRetentionSizeInMB=-1")
	defer p.stop(t)
	producer, err := stockClient(t, p.Pulsar).CreateProducer(pulsar.ProducerOptions{Topic: "t", DisableBatching: true, SendTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	payload := bytes.Repeat([]byte("x"), 256<<10)
	acknowledged := 0
	for acknowledged < 1000 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := producer.Send(ctx, &pulsar.ProducerMessage{Payload: payload})
		cancel()
		if err != nil {
			break
		}
		acknowledged++
	}
	if acknowledged < 20 || acknowledged > 400 {
		t.Fatalf("%d messages of 256 KiB were taken on 96 MiB", acknowledged)
	}
	if body := get(t, p.HTTP+"/readyz"); !strings.Contains(body, "STB-SEGMENT-") {
		t.Errorf("readyz says %q", body)
	}
	// Somebody makes room: here the topic's retention goes, and with it what it kept.
	for _, cmd := range [][]string{{"topics", "delete", "t", "--force"}} {
		path, err := program()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(path, cmd...)
		c.Env = append(os.Environ(), "STROBE_SERVER="+p.HTTP, "STROBE_URL="+p.Pulsar)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", cmd, out)
		}
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := producer.Send(ctx, &pulsar.ProducerMessage{Payload: payload})
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still refused after space was freed: %v; readyz: %s", err, get(t, p.HTTP+"/readyz"))
		}
	}
}
