package server

import (
	"context"
	"encoding/hex"
	"hash/crc32"
	"regexp"
	"sort"
	"strings"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// GET_TOPICS_OF_NAMESPACE lists topics, perhaps only those that match a pattern; when the client's hash of an earlier answer still
// holds, no topics are sent. Answered with GET_TOPICS_OF_NAMESPACE_RESPONSE.
//
// A pattern that Go's regular expressions do not have (look-around, back references) is left to the client: "filtered" says so.
func handleGetTopics(c *conn, kind wire.Type, body []byte) error {
	m := &pb.GetTopicsOfNamespace{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.request(func(ctx context.Context) {
		names, err := c.topicsOf(ctx, m.GetNamespace(), m.GetMode())
		if err != nil {
			c.fail(m.GetRequestId(), err)
			return
		}
		filtered := false
		if m.TopicsPattern != nil {
			var match func(string) bool
			if match, filtered = pattern(m.GetTopicsPattern()); filtered {
				names = matching(names, match)
			}
		}
		hash := topicsHash(names)
		changed := m.TopicsHash == nil || m.GetTopicsHash() != hash
		if !changed {
			names = nil
		}
		c.reply(wire.TypeGetTopicsResponse, &pb.GetTopicsOfNamespaceResponse{
			RequestId: m.RequestId, Topics: names, Filtered: &filtered, TopicsHash: &hash, Changed: &changed,
		})
	})
	return nil
}

// topicsOf are the full names of a namespace's topics, sorted, without those that the broker keeps for itself.
func (c *conn) topicsOf(ctx context.Context, namespace string, mode pb.GetTopicsOfNamespace_Mode) ([]string, error) {
	if err := c.s.o.Authorize(ctx, c.principal, List, namespace); err != nil {
		return nil, err
	}
	list, err := c.s.o.Topics.List(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range list {
		if mode == pb.GetTopicsOfNamespace_ALL || n.Persistent == (mode == pb.GetTopicsOfNamespace_PERSISTENT) {
			if !system(n.Local) {
				names = append(names, n.String())
			}
		}
	}
	return names, nil
}

// system reports whether a topic is one that brokers keep for themselves (Pulsar's names).
func system(local string) bool {
	return strings.HasPrefix(local, "__change_events") || strings.HasPrefix(local, "__transaction_") ||
		strings.Contains(local, "-__transaction_pending_ack") || strings.HasSuffix(local, "__transaction_pending_ack")
}

// maxPattern is the longest pattern evaluated here (Pulsar's default of subscriptionPatternMaxLength).
const maxPattern = 50

// pattern makes a test of a client's pattern: names match as a whole, without their domain. false when it cannot be evaluated here.
func pattern(expr string) (match func(name string) bool, ok bool) {
	if len(expr) > maxPattern {
		return nil, false
	}
	if _, after, found := strings.Cut(expr, "://"); found {
		expr = after
	}
	re, err := regexp.Compile("^(?:" + expr + ")$")
	if err != nil {
		return nil, false
	}
	return func(name string) bool {
		_, local, _ := strings.Cut(name, "://")
		return re.MatchString(local)
	}, true
}

func matching(names []string, match func(string) bool) []string {
	var out []string
	for _, n := range names {
		if match(n) {
			out = append(out, n)
		}
	}
	return out
}

// topicsHash is Pulsar's hash of a list of topics: CRC-32C of the sorted names joined by commas, as hexadecimal digits, lowest byte
// first.
func topicsHash(names []string) string {
	sorted := append([]string(nil), names...)
	sort.Strings(sorted)
	sum := crc32.Checksum([]byte(strings.Join(sorted, ",")), crc32.MakeTable(crc32.Castagnoli))
	return hex.EncodeToString([]byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
}
