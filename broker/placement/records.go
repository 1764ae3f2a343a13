package placement

import (
	"encoding/json"
	"net/url"

	"github.com/strobemq/strobe/internal/fault"
)

const (
	namespaceKey = "/namespace"
	brokersKey   = "/loadbalance/brokers"
	leaderKey    = "/loadbalance/leader"
)

// ownership is the value of a bundle's node, as Apache's classic load managers write it (interop §8.4).
type ownership struct {
	Broker    string                        `json:"nativeUrl,omitempty"`
	BrokerTLS string                        `json:"nativeUrlTls,omitempty"`
	HTTP      string                        `json:"httpUrl,omitempty"`
	HTTPTLS   string                        `json:"httpUrlTls,omitempty"`
	Disabled  bool                          `json:"disabled"`
	Listeners map[string]advertisedListener `json:"advertisedListeners"`
}

type advertisedListener struct {
	Broker    string `json:"brokerServiceUrl,omitempty"`
	BrokerTLS string `json:"brokerServiceUrlTls,omitempty"`
	HTTP      string `json:"brokerHttpUrl,omitempty"`
	HTTPTLS   string `json:"brokerHttpsUrl,omitempty"`
}

func (o *Options) advertised() map[string]advertisedListener {
	all := make(map[string]advertisedListener, len(o.Listeners))
	for name, l := range o.Listeners {
		all[name] = advertisedListener(l)
	}
	return all
}

func (o *Options) ownership(disabled bool) []byte {
	return mustJSON(ownership{
		Broker: o.Broker, BrokerTLS: o.BrokerTLS, HTTP: o.HTTP, HTTPTLS: o.HTTPTLS, Disabled: disabled, Listeners: o.advertised(),
	})
}

func decodeOwnership(key string, data []byte) (ownership, error) {
	var o ownership
	if err := json.Unmarshal(data, &o); err != nil {
		return o, fault.PolicyValue.New("%s: %w", key, err)
	}
	return o, nil
}

// usage is a part of Apache's load report.
type usage struct {
	Usage float64 `json:"usage"`
	Limit float64 `json:"limit"`
}

// registration is a broker's node, with the fields of Apache's LocalBrokerData. The load is not reported: with one broker nobody asks.
type registration struct {
	HTTP          string                        `json:"webServiceUrl,omitempty"`
	HTTPTLS       string                        `json:"webServiceUrlTls,omitempty"`
	Broker        string                        `json:"pulsarServiceUrl,omitempty"`
	BrokerTLS     string                        `json:"pulsarServiceUrlTls,omitempty"`
	Persistent    bool                          `json:"persistentTopicsEnabled"`
	NonPersistent bool                          `json:"nonPersistentTopicsEnabled"`
	CPU           usage                         `json:"cpu"`
	Memory        usage                         `json:"memory"`
	DirectMemory  usage                         `json:"directMemory"`
	BandwidthIn   usage                         `json:"bandwidthIn"`
	BandwidthOut  usage                         `json:"bandwidthOut"`
	ThroughputIn  float64                       `json:"msgThroughputIn"`
	ThroughputOut float64                       `json:"msgThroughputOut"`
	RateIn        float64                       `json:"msgRateIn"`
	RateOut       float64                       `json:"msgRateOut"`
	LastUpdate    int64                         `json:"lastUpdate"`
	LastStats     map[string]any                `json:"lastStats"`
	Topics        int                           `json:"numTopics"`
	NumBundles    int                           `json:"numBundles"`
	Consumers     int                           `json:"numConsumers"`
	Producers     int                           `json:"numProducers"`
	Bundles       []string                      `json:"bundles"`
	Gains         []string                      `json:"lastBundleGains"`
	Losses        []string                      `json:"lastBundleLosses"`
	Version       string                        `json:"brokerVersionString"`
	Protocols     map[string]string             `json:"protocols"`
	Listeners     map[string]advertisedListener `json:"advertisedListeners"`
	Manager       string                        `json:"loadManagerClassName"`
	Start         int64                         `json:"startTimestamp"`
	MaxUsage      float64                       `json:"maxResourceUsage"`
	Type          string                        `json:"loadReportType"`
}

func (o *Options) registration() []byte {
	now := o.Now().UnixMilli()
	return mustJSON(registration{
		HTTP: o.HTTP, HTTPTLS: o.HTTPTLS, Broker: o.Broker, BrokerTLS: o.BrokerTLS, Persistent: true, NonPersistent: true,
		LastUpdate: now, LastStats: map[string]any{}, Bundles: []string{}, Gains: []string{}, Losses: []string{}, Version: o.Version,
		Protocols: map[string]string{}, Listeners: o.advertised(),
		Manager: "org.apache.pulsar.broker.loadbalance.impl.ModularLoadManagerImpl", Start: now, Type: "LocalBrokerData",
	})
}

// leader is the value of the leader's node.
type leader struct {
	ID   string `json:"brokerId"`
	HTTP string `json:"serviceUrl"`
}

// mustJSON encodes a struct of strings and numbers, which cannot fail.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("placement: " + err.Error())
	}
	return data
}

func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
