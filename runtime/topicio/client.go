package topicio

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// maxRedirects is how often a lookup is sent on before something is wrong with the cluster.
const maxRedirects = 20

// Client finds the brokers of topics and keeps one connection to each.
type Client struct {
	url string

	mu    sync.Mutex
	conns map[string]*conn
}

// NewClient makes a client of the cluster at url (pulsar://host:port). It connects when it is first used.
func NewClient(url string) *Client {
	return &Client{url: url, conns: map[string]*conn{}}
}

// Partitions is the number of partitions of a topic, 0 for a topic without; a missing topic has 0 as well.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	k, err := c.conn(ctx, c.url)
	if err != nil {
		return 0, err
	}
	var m pb.PartitionedMetadataResponse
	err = k.request(ctx, wire.TypePartitionedMetadata, func(id uint64) proto.Message {
		return &pb.PartitionedMetadata{Topic: &topic, RequestId: &id}
	}, &m)
	if err != nil {
		return 0, err
	}
	if m.GetResponse() == pb.PartitionedMetadataResponse_FAILED {
		if m.GetError() == wire.TopicNotFound {
			return 0, nil
		}
		return 0, &ServerError{m.GetError(), m.GetMessage()}
	}
	return int(m.GetPartitions()), nil
}

// Topics expands a topic into its partitions; one without is itself.
func (c *Client) Topics(ctx context.Context, topic string) ([]string, error) {
	n, err := c.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return []string{topic}, nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = topic + "-partition-" + strconv.Itoa(i)
	}
	return out, nil
}

// owner connects to the broker that serves a topic.
func (c *Client) owner(ctx context.Context, topic string) (*conn, error) {
	at, authoritative := c.url, false
	for range maxRedirects {
		k, err := c.conn(ctx, at)
		if err != nil {
			return nil, err
		}
		var m pb.LookupResponse
		err = k.request(ctx, wire.TypeLookup, func(id uint64) proto.Message {
			return &pb.Lookup{Topic: &topic, RequestId: &id, Authoritative: &authoritative}
		}, &m)
		if err != nil {
			return nil, err
		}
		switch m.GetResponse() {
		case pb.LookupResponse_FAILED:
			return nil, &ServerError{m.GetError(), m.GetMessage()}
		case pb.LookupResponse_CONNECT:
			if m.GetProxyThroughServiceUrl() {
				return k, nil
			}
			return c.conn(ctx, m.GetBrokerServiceUrl())
		}
		at, authoritative = m.GetBrokerServiceUrl(), m.GetAuthoritative()
	}
	return nil, fmt.Errorf("lookup of %s was sent on %d times", topic, maxRedirects)
}

func (c *Client) conn(ctx context.Context, brokerURL string) (*conn, error) {
	u, err := url.Parse(brokerURL)
	if err != nil || u.Scheme != "pulsar" || u.Host == "" {
		return nil, fmt.Errorf("broker address %q: want pulsar://host:port", brokerURL)
	}
	addr := u.Host
	if !strings.Contains(addr, ":") {
		addr += ":6650"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.conns[addr]; k != nil {
		if k.failure() == nil {
			return k, nil
		}
		k.close()
		delete(c.conns, addr)
	}
	k, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.conns[addr] = k
	return k, nil
}

// Close ends all connections. The client can be used again. Idempotent.
func (c *Client) Close() error {
	c.mu.Lock()
	conns := c.conns
	c.conns = map[string]*conn{}
	c.mu.Unlock()
	for _, k := range conns {
		k.close()
	}
	return nil
}
