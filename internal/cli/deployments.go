package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
	"github.com/strobemq/strobe/runtime/functions"
)

// What functions and sources have in common.

func deployPath(plural string, m manifest.Metadata, rest string) string {
	return "/admin/v3/" + plural + "/" + url.PathEscape(m.Tenant) + "/" + url.PathEscape(m.Namespace) + "/" + url.PathEscape(m.Name) + rest
}

func (a *app) status(ctx context.Context, plural string, m manifest.Metadata) (functions.DeploymentStatus, error) {
	var s functions.DeploymentStatus
	err := a.call(ctx, "GET", deployPath(plural, m, "/status"), nil, &s)
	return s, err
}

// deployVerbs adds status, start, stop, restart, logs, delete and parked to the commands of functions or sources.
func (a *app) deployVerbs(c *cobra.Command, plural string) {
	one := strings.TrimSuffix(plural, "s")
	verb := func(use, short string, run func(ctx context.Context, m manifest.Metadata) error) *cobra.Command {
		return &cobra.Command{Use: use + " NAME", Short: short, Args: args(1, "one "+one), RunE: func(c *cobra.Command, p []string) error {
			m, err := a.meta(p[0])
			if err != nil {
				return err
			}
			return run(c.Context(), m)
		}}
	}
	for v, past := range map[string]string{"start": "started", "stop": "stopped", "restart": "restarted"} {
		c.AddCommand(verb(v, strings.ToUpper(v[:1])+v[1:]+" all instances of a "+one, func(ctx context.Context, m manifest.Metadata) error {
			if err := a.call(ctx, "POST", deployPath(plural, m, "/"+v), nil, nil); err != nil {
				return err
			}
			return a.done("%s %s %s", past, one, m)
		}))
	}
	c.AddCommand(
		verb("status", "Print how the instances of a "+one+" fare", func(ctx context.Context, m manifest.Metadata) error {
			s, err := a.status(ctx, plural, m)
			if err != nil {
				return err
			}
			return a.print(s, func(w *rows) { statusRows(w, s) })
		}),
		verb("delete", "Stop and remove a "+one, func(ctx context.Context, m manifest.Metadata) error {
			if err := a.call(ctx, "DELETE", deployPath(plural, m, ""), nil, nil); err != nil {
				return err
			}
			return a.done("deleted %s %s", one, m)
		}),
		&cobra.Command{Use: "list", Short: "List the " + plural + " of the namespace", Args: args(0, ""),
			RunE: func(c *cobra.Command, _ []string) error { return a.listDeployments(c.Context(), plural) }},
		a.logsCommand(plural), a.parkedCommand(plural))
}

func statusRows(w *rows, s functions.DeploymentStatus) {
	w.add("INSTANCE", "STATE", "RECEIVED", "PROCESSED", "WRITTEN", "RETRIED", "PARKED", "LAG", "LATENCY", "RESTARTS", "ERROR")
	for _, i := range s.Instances {
		t := i.Status.Strobe
		w.add(t.Instance, t.State, t.Received, t.Processed, t.Written, t.Retried, t.Parked, lagText(t), fmt.Sprintf("%.1f ms", t.AvgLatencyMs), t.Restarts, t.Error)
	}
}

func lagText(s functions.Status) string {
	return lagOf(s.LagMessages, s.LagSeconds)
}

// lagOf is a lag in messages and seconds.
func lagOf(messages int64, seconds float64) string {
	if messages == 0 && seconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%.1f s)", messages, seconds)
}

// deployment is one line of a list.
type deployment struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
	Running   int    `json:"running"`
	Processed int64  `json:"processed"`
	Parked    int64  `json:"parked"`
	Lag       int64  `json:"lagMessages"`
	LagTime   string `json:"lag,omitempty"`
	State     string `json:"state"`
	Error     string `json:"error,omitempty"`
}

func (a *app) deployments(ctx context.Context, plural, tenant, namespace string) ([]deployment, error) {
	var names []string
	if err := a.call(ctx, "GET", "/admin/v3/"+plural+"/"+tenant+"/"+namespace, nil, &names); err != nil {
		return nil, err
	}
	list := []deployment{}
	for _, n := range names {
		s, err := a.status(ctx, plural, manifest.Metadata{Tenant: tenant, Namespace: namespace, Name: n})
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, summarize(n, s))
	}
	return list, nil
}

func summarize(name string, s functions.DeploymentStatus) deployment {
	d := deployment{Name: name, Instances: s.NumInstances, Running: s.NumRunning, State: "stopped", LagTime: "-"}
	for _, i := range s.Instances {
		t := i.Status.Strobe
		d.Processed += t.Processed
		d.Parked += t.Parked
		d.Lag += t.LagMessages
		if text := lagText(t); text != "-" {
			d.LagTime = text
		}
		if worse(string(t.State), d.State) {
			d.State, d.Error = string(t.State), t.Error
		}
	}
	return d
}

// worse orders states so that a list shows the one a person must know.
func worse(a, b string) bool {
	order := map[string]int{"stopped": 0, "running": 1, "starting": 2, "backing-off": 3, "failed": 4, "deleting": 5}
	return order[a] > order[b]
}

func (a *app) listDeployments(ctx context.Context, plural string) error {
	list, err := a.deployments(ctx, plural, a.tenant, a.namespace)
	if err != nil {
		return err
	}
	return a.print(list, func(w *rows) {
		w.empty = fmt.Sprintf("no %s in %s/%s", strings.TrimSuffix(plural, "s"), a.tenant, a.namespace)
		w.add("NAME", "STATE", "INSTANCES", "PROCESSED", "PARKED", "LAG", "ERROR")
		for _, d := range list {
			w.add(d.Name, d.State, fmt.Sprintf("%d/%d", d.Running, d.Instances), d.Processed, d.Parked, d.LagTime, d.Error)
		}
	})
}

func (a *app) logsCommand(plural string) *cobra.Command {
	var follow bool
	var instance int
	c := &cobra.Command{Use: "logs NAME", Short: "Print the newest log lines of an instance", Args: args(1, "one "+strings.TrimSuffix(plural, "s")),
		RunE: func(c *cobra.Command, p []string) error {
			m, err := a.meta(p[0])
			if err != nil {
				return err
			}
			q := fmt.Sprintf("/logs?instance=%d&follow=%t", instance, follow)
			resp, err := a.send(c.Context(), "GET", deployPath(plural, m, q), "", nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			n, err := io.Copy(a.Out, resp.Body)
			if err != nil && c.Context().Err() == nil {
				return err
			}
			if n == 0 {
				fmt.Fprintln(a.Err, "nothing was logged yet")
			}
			return nil
		}}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is logged from now on")
	c.Flags().IntVar(&instance, "instance", 0, "number of the instance")
	return c
}

func (a *app) parkedCommand(plural string) *cobra.Command {
	one := strings.TrimSuffix(plural, "s")
	c := group("parked", "dlq", "", "Messages that were set aside, with the reason",
		"A message that a "+one+" cannot process after all attempts is parked in its dead-letter topic.\nNothing is lost: look at it, fix the cause, and send it again with redrive.")
	list := &cobra.Command{Use: "list NAME", Short: "List parked messages", Args: args(1, "one "+one),
		RunE: func(c *cobra.Command, p []string) error {
			m, err := a.meta(p[0])
			if err != nil {
				return err
			}
			var out []functions.ParkedMessage
			if err := a.call(c.Context(), "GET", deployPath(plural, m, "/parked"), nil, &out); err != nil {
				return err
			}
			return a.print(out, func(w *rows) {
				w.empty = "nothing is parked"
				w.add("ID", "TIME", "ATTEMPTS", "KEY", "SIZE", "REASON")
				for _, x := range out {
					w.add(x.ID, x.Time.Format("2006-01-02 15:04:05"), x.Attempts, x.Key, bytesText(int64(x.Size)), x.Reason)
				}
			})
		}}
	show := &cobra.Command{Use: "show NAME ID", Short: "Print one parked message with its payload", Args: args(2, "a "+one+" and an id"),
		RunE: func(c *cobra.Command, p []string) error {
			m, err := a.meta(p[0])
			if err != nil {
				return err
			}
			var x functions.ParkedMessage
			if err := a.call(c.Context(), "GET", deployPath(plural, m, "/parked/message?id="+url.QueryEscape(p[1])), nil, &x); err != nil {
				return err
			}
			if a.output == "table" {
				return writeYAML(a.Out, x)
			}
			return a.print(x, nil)
		}}
	var all bool
	redrive := &cobra.Command{Use: "redrive NAME [ID...]", Short: "Send parked messages back to where they came from",
		Example: "  strobe " + plural + " parked redrive NAME 12:3\n  strobe " + plural + " parked redrive NAME --all",
		RunE: func(c *cobra.Command, p []string) error {
			if len(p) == 0 || all == (len(p) > 1) {
				return fault.CLIUsage.New("give ids, or --all").WithFix("Usage: %s", c.UseLine())
			}
			m, err := a.meta(p[0])
			if err != nil {
				return err
			}
			in := map[string]any{"ids": p[1:], "all": all}
			var out struct {
				Redriven int      `json:"redriven"`
				Missing  []string `json:"missing"`
			}
			if err := a.call(c.Context(), "POST", deployPath(plural, m, "/parked/redrive"), in, &out); err != nil {
				return err
			}
			return a.print(out, func(w *rows) {
				w.add(fmt.Sprintf("sent %d messages again", out.Redriven))
				for _, id := range out.Missing {
					w.add("not there: " + id)
				}
			})
		}}
	redrive.Flags().BoolVar(&all, "all", false, "all that are parked")
	c.AddCommand(list, show, redrive)
	return c
}
