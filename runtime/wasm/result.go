package wasm

import (
	"errors"
	"strings"
	"unicode"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/functions-sdk/abi"
	"github.com/strobemq/strobe/internal/fault"
)

const (
	maxReason = 2 << 10 // bytes of a reason that are kept
	maxNames  = 4096    // topic names that are remembered
)

// result turns a decoded reply into outputs and results. Everything is reused.
type result struct {
	namespace, output string

	names      map[string]string // what the guest wrote -> full topic name
	outputs    []connectors.Output
	results    []connectors.Result
	properties []connectors.Property
}

func (r *result) init(namespace, output string) {
	r.namespace, r.output = namespace, output
	r.names = map[string]string{}
}

// read takes over a reply. Keys and payloads stay views into the guest's memory; topics and properties are copied, because strings
// must not change.
func (r *result) read(reply *abi.Reply, topics []string) ([]connectors.Output, []connectors.Result) {
	r.outputs, r.results, r.properties = r.outputs[:0], r.results[:0], r.properties[:0]
	for i := range reply.Statuses {
		r.results = append(r.results, verdict(&reply.Statuses[i]))
	}
	r.readProperties(reply)
	first := 0 // output of the current input
	for i := range reply.Outputs {
		o := &reply.Outputs[i]
		input := int(o.Input)
		if n := len(r.outputs); n == 0 || r.outputs[n-1].Input != input {
			first = n
		}
		if r.results[input].Verdict != connectors.Accept {
			continue // an output before this one was refused
		}
		topic, err := r.topic(o, topics)
		if err != nil {
			r.results[input] = connectors.Result{Verdict: connectors.Reject, Reason: err.Error()}
			r.outputs = r.outputs[:first]
			continue
		}
		out := connectors.Output{Input: input, Record: connectors.Record{
			Topic: topic, Key: o.Key, HasKey: o.HasKey, Payload: o.Payload, Null: o.Null, EventTime: o.EventTime,
		}}
		if o.Count != 0 {
			out.Record.Properties = r.properties[o.First : o.First+o.Count : o.First+o.Count]
		}
		r.outputs = append(r.outputs, out)
	}
	return r.outputs, r.results
}

// readProperties copies all properties with one allocation.
func (r *result) readProperties(reply *abi.Reply) {
	if len(reply.Properties) == 0 {
		return
	}
	var text strings.Builder
	text.Grow(reply.PropertyBytes)
	for i := range reply.Properties {
		text.Write(reply.Properties[i].Key)
		text.Write(reply.Properties[i].Value)
	}
	left := text.String()
	for i := range reply.Properties {
		k, v := len(reply.Properties[i].Key), len(reply.Properties[i].Value)
		r.properties = append(r.properties, connectors.Property{Key: left[:k], Value: left[k : k+v]})
		left = left[k+v:]
	}
}

func (r *result) topic(o *abi.Output, topics []string) (string, error) {
	switch {
	case o.Topic == abi.OutputTopic && r.output == "":
		return "", fault.FunctionNoOutput.New("")
	case o.Topic == abi.OutputTopic:
		return r.output, nil
	case o.Topic != abi.NamedTopic:
		return topics[o.Topic], nil
	}
	if full, ok := r.names[string(o.Name)]; ok {
		return full, nil
	}
	full, err := fullTopic(r.namespace, string(o.Name))
	if err != nil {
		return "", fault.FunctionTopicName.New("%q: %w", cutText(o.Name, 256), err)
	}
	if len(r.names) >= maxNames {
		clear(r.names)
	}
	r.names[string(o.Name)] = full
	return full, nil
}

func verdict(s *abi.Status) connectors.Result {
	res := connectors.Result{}
	switch s.Code {
	case abi.StatusOK:
		return res
	case abi.StatusRetry:
		res.Verdict = connectors.Again
	case abi.StatusReject:
		res.Verdict = connectors.Reject
	}
	res.Reason = string(cutText(s.Text, maxReason))
	return res
}

// fullTopic makes a full topic name of one that a guest wrote.
func fullTopic(namespace, name string) (string, error) {
	domain, path, found := strings.Cut(name, "://")
	if !found {
		domain, path = "persistent", name
	}
	if domain != "persistent" && domain != "non-persistent" {
		return "", errors.New("the domain is neither persistent nor non-persistent")
	}
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 1 && !found:
		path = namespace + "/" + name
	case len(parts) != 3:
		return "", errors.New("it has not the form tenant/namespace/name")
	}
	for _, p := range parts {
		if p == "" {
			return "", errors.New("a part of it is empty")
		}
		if strings.ContainsFunc(p, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }) {
			return "", errors.New("it has spaces or control characters")
		}
	}
	return domain + "://" + path, nil
}
