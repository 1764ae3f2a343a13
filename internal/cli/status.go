package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// overview is what `strobe status` prints.
type overview struct {
	Server    string         `json:"server"`
	Version   string         `json:"version"`
	Topics    []topicSummary `json:"topics"`
	Functions []deployment   `json:"functions"`
	Sources   []deployment   `json:"sources"`
}

func (a *app) statusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", GroupID: "deploy", Short: "Show topics, functions and sources with their lag", Args: args(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := a.overview(c.Context())
			if err != nil {
				return err
			}
			return a.print(o, func(w *rows) { a.statusTable(w, o) })
		}}
	a.inNamespace(c)
	return c
}

func (a *app) overview(ctx context.Context) (overview, error) {
	o := overview{Server: a.server}
	resp, err := a.send(ctx, "GET", "/admin/v2/brokers/version", "", nil)
	if err != nil {
		return o, err
	}
	defer resp.Body.Close()
	var text [100]byte
	n, _ := resp.Body.Read(text[:])
	o.Version = string(text[:n])
	if o.Topics, err = a.topicSummaries(ctx, a.tenant, a.namespace); err != nil {
		return o, err
	}
	if o.Functions, err = a.deployments(ctx, "functions", a.tenant, a.namespace); err != nil {
		return o, err
	}
	o.Sources, err = a.deployments(ctx, "sources", a.tenant, a.namespace)
	return o, err
}

func (a *app) statusTable(w *rows, o overview) {
	w.add(fmt.Sprintf("strobe %s at %s, namespace %s/%s", o.Version, o.Server, a.tenant, a.namespace))
	w.add("")
	w.add("TOPIC", "PARTITIONS", "MESSAGES IN", "STORED", "LAG")
	for _, t := range o.Topics {
		parts := "-"
		if t.Partitions > 0 {
			parts = strconv.Itoa(t.Partitions)
		}
		w.add(t.Topic, parts, t.Messages, bytesText(t.StorageBytes), lagOf(t.Lag, t.LagSeconds))
	}
	for _, part := range []struct {
		title string
		list  []deployment
	}{{"FUNCTION", o.Functions}, {"SOURCE", o.Sources}} {
		if len(part.list) == 0 {
			continue
		}
		w.add("")
		w.add(part.title, "STATE", "PROCESSED", "PARKED", "LAG", "ERROR")
		for _, d := range part.list {
			state := d.State
			if d.State == "failed" {
				state = a.paint(a.Out, red, state)
			}
			w.add(d.Name, state, d.Processed, d.Parked, d.LagTime, d.Error)
		}
	}
}
