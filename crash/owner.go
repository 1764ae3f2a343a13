package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/product"
)

// owner is the broker that serves a topic, as one says that answers. It may be served by nobody for a moment.
func owner(ctx context.Context, brokers []*product.Process, topic string) (*product.Process, error) {
	var last error
	for _, i := range rand.Perm(len(brokers)) {
		var o struct{ BrokerURL string }
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		text, err := brokers[i].Do(one, "GET", "/lookup/v2/topic/"+strings.Replace(topic, "://", "/", 1), "")
		cancel()
		if err == nil {
			err = json.Unmarshal(text, &o)
		}
		for _, p := range brokers {
			if err == nil && p.Pulsar == o.BrokerURL {
				return p, nil
			}
		}
		last = err
	}
	return nil, fmt.Errorf("who serves %s: %w", topic, last)
}
