package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/functions-sdk/archive"
	"github.com/strobemq/strobe/internal/product"
)

// TestFunctionsOverTwoBrokers deploys a function at the broker that does not run the worker. Its input is served by one broker and its
// output by the other. When the broker with the worker is killed, the other one goes on with the function.
func TestFunctionsOverTwoBrokers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes six processes")
	}
	module := filepath.Join(echoDir(t), "echo.wasm")
	if err := archive.Build(t.Context(), "../../runtime/wasm/testdata/guests/echo", module); err != nil {
		t.Fatal(err)
	}
	c := startCluster(t)
	leader := c.worker(t)
	other := 1 - leader
	input, output := c.topicOf(t, other, "in"), c.topicOf(t, leader, "out")
	c.cli(t, other, "functions", "create", "--name", "echo", "--wasm", module, "--inputs", input, "--output", output)

	client := stockClient(t, c.URL())
	results, err := client.Subscribe(pulsar.ConsumerOptions{Topic: output, SubscriptionName: "test", SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
	if err != nil {
		t.Fatal(err)
	}
	defer results.Close()
	publish(t, c, input, 20)
	receive(t, results, 20)

	const echo = "/admin/v3/functions/public/default/echo"
	call(t, http.StatusNoContent, "POST", c.Brokers[other].HTTP+echo+"/stop", "")
	c.unread(t, other, input) // one that is being stopped finishes what it has begun
	publish(t, c, input, 5)
	c.lag(t, other, echo, 5) // the worker asks the other broker
	call(t, http.StatusNoContent, "POST", c.Brokers[other].HTTP+echo+"/start", "")
	receive(t, results, 5)
	c.lag(t, other, echo, 0)

	subscriptions := func() int {
		path := "/admin/v2/persistent/public/default/" + input[len("persistent://public/default/"):]
		return len(fromJSON[[]string](t, call(t, 200, "GET", c.Brokers[leader].HTTP+path+"/subscriptions", "")))
	}
	c.cli(t, other, "functions", "create", "--name", "second", "--wasm", module, "--inputs", input, "--output", output+"-second")
	if n := subscriptions(); n != 2 {
		t.Errorf("two functions have %d subscriptions", n)
	}
	c.cli(t, other, "functions", "delete", "second")
	eventually(t, "the function's subscription goes with it, at the other broker", func() bool { return subscriptions() == 1 })

	c.Brokers[leader].Kill()
	again(t, &c.Brokers[leader])
	publish(t, c, input, 7)
	receive(t, results, 7)

	leader = c.worker(t)
	c.cli(t, 1-leader, "functions", "delete", "echo")
	eventually(t, "the other function's goes too", func() bool { return subscriptions() == 0 })
}

// echoDir is where modules for tests are kept from run to run.
func echoDir(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "strobe-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// worker is the broker that runs functions.
func (c *testCluster) worker(t *testing.T) int {
	t.Helper()
	stay := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at := -1
	eventually(t, "a broker runs the worker", func() bool {
		at = slices.IndexFunc(c.Brokers[:], func(p *product.Process) bool {
			r, err := stay.Get(p.HTTP + "/admin/v3/functions/public/default")
			if err != nil {
				return false
			}
			r.Body.Close()
			return r.StatusCode == http.StatusOK
		})
		return at >= 0
	})
	return at
}

// topicOf finds a topic that the broker serves.
func (c *testCluster) topicOf(t *testing.T, broker int, name string) string {
	t.Helper()
	for i := range 100 {
		topic := fmt.Sprintf("persistent://public/default/%s-%d", name, i)
		if c.owner(t, broker, topic) == broker {
			return topic
		}
	}
	t.Fatalf("broker %d serves nothing", broker)
	return ""
}

// cli runs a command against one broker.
func (c *testCluster) cli(t *testing.T, broker int, args ...string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := c.Brokers[broker]
	if out, err := exec.Command(path, append(args, "--broker", p.Pulsar, "--server", p.HTTP)...).CombinedOutput(); err != nil {
		t.Fatalf("strobe %q: %v\n%s", args, err, out)
	}
}

// unread waits until nobody consumes a topic that a broker serves.
func (c *testCluster) unread(t *testing.T, broker int, topic string) {
	t.Helper()
	path := "/admin/v2/" + strings.Replace(topic, "://", "/", 1) + "/stats"
	eventually(t, "nobody reads "+topic, func() bool {
		s := fromJSON[struct {
			Subscriptions map[string]struct{ Consumers []any }
		}](t, call(t, 200, "GET", c.Brokers[broker].HTTP+path, ""))
		for _, sub := range s.Subscriptions {
			if len(sub.Consumers) > 0 {
				return false
			}
		}
		return len(s.Subscriptions) > 0
	})
}

// lag waits until a function is said to be so many messages behind.
func (c *testCluster) lag(t *testing.T, ask int, function string, want int) {
	t.Helper()
	text := ""
	defer func() {
		if t.Failed() {
			t.Log(text)
		}
	}()
	eventually(t, fmt.Sprint("lag ", want), func() bool {
		text = call(t, 200, "GET", c.Brokers[ask].HTTP+function+"/status", "")
		s := fromJSON[struct {
			Instances []struct {
				Status struct{ Strobe struct{ LagMessages int } }
			}
		}](t, text)
		return len(s.Instances) > 0 && s.Instances[0].Status.Strobe.LagMessages == want
	})
}

// receive takes n messages and acknowledges them.
func receive(t *testing.T, c pulsar.Consumer, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i := range n {
		m, err := c.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", i, n, err)
		}
		if string(m.Payload()) != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, m.Payload())
		}
		if err := c.Ack(m); err != nil {
			t.Error(err)
		}
	}
}

// eventually waits for what other processes do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); letRun(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s", what)
		}
	}
}
