package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// call sends a request, following redirects, and wants a status.
func call(t *testing.T, want int, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want {
		t.Fatalf("%s %s: %s %s, want %d", method, url, resp.Status, text, want)
	}
	return string(text)
}

// fromJSON decodes what call answered.
func fromJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestEitherBrokerAnswersForAllTopics asks one broker about topics that the other one serves: a request about one topic is sent there with a
// redirect, one about a partitioned topic reaches the brokers of all its partitions.
func TestEitherBrokerAnswersForAllTopics(t *testing.T) {
	if testing.Short() {
		t.Skip("takes six processes")
	}
	c := startCluster(t)
	const partitions = 8
	spread := [2]int{}
	for i := range partitions { // who is asked first gets the bundle
		spread[c.owner(t, i%2, fmt.Sprintf("persistent://public/default/p-partition-%d", i))]++
	}
	if spread[0] == 0 || spread[1] == 0 {
		t.Fatalf("one broker has all partitions: %v", spread)
	}
	one, two := c.Brokers[0].HTTP, c.Brokers[1].HTTP
	base := "/admin/v2/persistent/public/default/"

	// A topic of the first broker's, by way of the second.
	single := "s"
	for i := 0; c.owner(t, 0, "persistent://public/default/"+single) != 0; i++ {
		single = fmt.Sprint("s", i)
	}
	topic := "persistent://public/default/" + single
	call(t, http.StatusNoContent, "PUT", two+base+single, "")
	stay := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Get(two + base + single + "/stats?getEarliestTimeInBacklog=true")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if at := resp.Header.Get("Location"); resp.StatusCode != http.StatusTemporaryRedirect || at != one+base+single+"/stats?getEarliestTimeInBacklog=true" {
		t.Errorf("%s to %q", resp.Status, at)
	}
	call(t, http.StatusNoContent, "PUT", two+base+single+"/subscription/from%20here", `{"ledgerId":-1,"entryId":-1}`) // with its body
	if subs := fromJSON[[]string](t, call(t, 200, "GET", two+base+single+"/subscriptions", "")); !slices.Equal(subs, []string{"from here"}) {
		t.Errorf("subscriptions %q", subs)
	}
	publish(t, c, topic, 3)
	if m := call(t, 200, "GET", two+base+single+"/subscription/from%20here/position/2", ""); m != "1" {
		t.Errorf("the second message is %q", m)
	}

	// A topic whose partitions are here and there.
	call(t, http.StatusNoContent, "PUT", two+base+"p/partitions", fmt.Sprint(partitions))
	call(t, http.StatusNoContent, "PUT", two+base+"p/subscription/all", `{"ledgerId":-1,"entryId":-1,"properties":{"who":"me"}}`)
	publish(t, c, "persistent://public/default/p", 40)
	type stats struct {
		MsgInCounter  int `json:"msgInCounter"`
		Subscriptions map[string]struct {
			LagMessages int
			Durable     bool `json:"isDurable"`
		}
		Partitions map[string]struct {
			MsgInCounter int `json:"msgInCounter"`
		}
	}
	for _, web := range []string{one, two} {
		s := fromJSON[stats](t, call(t, 200, "GET", web+base+"p/partitioned-stats?getEarliestTimeInBacklog=true", ""))
		if s.MsgInCounter != 40 || s.Subscriptions["all"].LagMessages != 40 || len(s.Partitions) != partitions {
			t.Errorf("%s: %+v", web, s)
		}
		if subs := fromJSON[[]string](t, call(t, 200, "GET", web+base+"p/subscriptions", "")); !slices.Equal(subs, []string{"all"}) {
			t.Errorf("%s: subscriptions %q", web, subs)
		}
	}
	call(t, http.StatusNoContent, "POST", one+base+"p/subscription/all/skip_all", "")
	if s := fromJSON[stats](t, call(t, 200, "GET", two+base+"p/partitioned-stats?getEarliestTimeInBacklog=true", "")); s.Subscriptions["all"].LagMessages != 0 {
		t.Errorf("after skip_all %+v", s.Subscriptions)
	}
	call(t, http.StatusNoContent, "POST", two+base+"p/partitions", fmt.Sprint(2*partitions))
	for i := range 2 * partitions {
		subs := fromJSON[[]string](t, call(t, 200, "GET", one+base+fmt.Sprintf("p-partition-%d/subscriptions", i), ""))
		if !slices.Equal(subs, []string{"all"}) {
			t.Errorf("partition %d has the subscriptions %q", i, subs)
		}
	}
	call(t, http.StatusNotFound, "DELETE", one+base+"p/subscription/other", "")
	call(t, http.StatusNoContent, "DELETE", two+base+"p/subscription/all", "")
	call(t, http.StatusNoContent, "PUT", one+base+"p/unload", "")
	call(t, http.StatusNoContent, "DELETE", one+base+"p/partitions", "")
	call(t, http.StatusNoContent, "DELETE", two+base+single+"?force=true", "")
	if left := fromJSON[[]string](t, call(t, 200, "GET", one+base[:len(base)-1], "")); len(left) != 0 {
		t.Errorf("%q are left", left)
	}

	// Giving bundles up, wherever they are.
	call(t, http.StatusNoContent, "PUT", one+"/admin/v2/namespaces/public/default/unload", "")
	for i := range partitions {
		if o := c.owner(t, 1, fmt.Sprintf("persistent://public/default/p-partition-%d", i)); o != 1 {
			t.Errorf("partition %d stays with broker %d", i, o)
		}
	}
}

// publish sends n numbered messages.
func publish(t *testing.T, c *testCluster, topic string, n int) {
	t.Helper()
	p, err := stockClient(t, c.URL()).CreateProducer(pulsar.ProducerOptions{Topic: topic, DisableBatching: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range n {
		if _, err := p.Send(ctx, &pulsar.ProducerMessage{Payload: []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
}
