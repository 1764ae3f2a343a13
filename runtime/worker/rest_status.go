package worker

import (
	"context"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

func (w *Worker) pulsarStatus(s functions.Status) functions.InstanceStatus {
	out := functions.InstanceStatus{Running: s.State == functions.StateRunning, Error: s.Error, NumRestarts: s.Restarts, NumReceived: s.Received,
		NumReceivedFromSource: s.Received, NumSuccessfullyProcessed: s.Processed, NumWritten: s.Written, NumUserExceptions: s.UserErrors,
		NumSystemExceptions: s.SystemErrors, NumSourceExceptions: s.SystemErrors, AverageLatency: s.AvgLatencyMs, WorkerID: w.o.ID, Strobe: s,
		LatestUserExceptions: []functions.ExceptionInfo{}, LatestSystemExceptions: []functions.ExceptionInfo{}, LatestSourceExceptions: []functions.ExceptionInfo{}}
	if !s.LastInvoked.IsZero() {
		out.LastInvocationTime = s.LastInvoked.UnixMilli()
		out.LastReceivedTime = out.LastInvocationTime
	}
	for _, e := range s.RecentErrors {
		x := functions.ExceptionInfo{ExceptionString: e.Text, TimestampMs: e.Time.UnixMilli()}
		if e.System {
			out.LatestSystemExceptions = append(out.LatestSystemExceptions, x)
			out.LatestSourceExceptions = append(out.LatestSourceExceptions, x)
		} else {
			out.LatestUserExceptions = append(out.LatestUserExceptions, x)
		}
	}
	return out
}

func (w *Worker) restStatus(q *request) error {
	list, err := w.statusesOf(q)
	if err != nil {
		return err
	}
	if n, _ := q.instance(); n >= 0 {
		return q.reply(w.pulsarStatus(list[0]))
	}
	out := functions.DeploymentStatus{NumInstances: len(list), Instances: []functions.InstanceEntry{}}
	for _, s := range list {
		if s.State == functions.StateRunning {
			out.NumRunning++
		}
		out.Instances = append(out.Instances, functions.InstanceEntry{InstanceID: s.Instance, Status: w.pulsarStatus(s)})
	}
	return q.reply(out)
}

// statusesOf is the state of all instances, or of the one in the path.
func (w *Worker) statusesOf(q *request) ([]functions.Status, error) {
	spec, err := w.store.get(q.Context(), q.kind, q.name)
	if err != nil {
		return nil, err
	}
	n, err := q.instance()
	if err != nil {
		return nil, err
	}
	list := w.rec.statuses(spec.Spec)
	w.addLag(q.Context(), spec.Spec, list)
	if n < 0 {
		return list, nil
	}
	if n >= len(list) {
		return nil, fault.WorkerNotFound.New("%s %s has instances 0 to %d", q.kind, q.name, len(list)-1)
	}
	return list[n : n+1], nil
}

// addLag tells how far a function is behind. Its instances share subscriptions, so the whole stands with the first one.
func (w *Worker) addLag(ctx context.Context, spec functions.Spec, list []functions.Status) {
	if spec.Kind != functions.KindFunction || w.o.Lag == nil || len(list) == 0 {
		return
	}
	for _, in := range spec.Inputs {
		messages, seconds, err := w.o.Lag(ctx, in, spec.Subscription)
		if err != nil {
			w.o.Log.Debug("the lag of a function is not known", "function", spec.FQName.String(), "topic", in, "error", err)
			continue
		}
		list[0].LagMessages += messages
		list[0].LagSeconds = max(list[0].LagSeconds, seconds)
	}
}

// statsBase is Pulsar's form of a function's counters.
type statsBase struct {
	ReceivedTotal              int64   `json:"receivedTotal"`
	ProcessedSuccessfullyTotal int64   `json:"processedSuccessfullyTotal"`
	SystemExceptionsTotal      int64   `json:"systemExceptionsTotal"`
	UserExceptionsTotal        int64   `json:"userExceptionsTotal"`
	AvgProcessLatency          float64 `json:"avgProcessLatency"`
}

type instanceStats struct {
	statsBase
	LastInvocation int64              `json:"lastInvocation"`
	UserMetrics    map[string]float64 `json:"userMetrics"`
}

type instanceStatsEntry struct {
	InstanceID int           `json:"instanceId"`
	Metrics    instanceStats `json:"metrics"`
}

type functionStats struct {
	statsBase
	LastInvocation int64                `json:"lastInvocation"`
	Instances      []instanceStatsEntry `json:"instances"`
}

func (w *Worker) restStats(q *request) error {
	list, err := w.statusesOf(q)
	if err != nil {
		return err
	}
	out := functionStats{Instances: []instanceStatsEntry{}}
	for _, s := range list {
		i := instanceStats{statsBase: statsBase{s.Received, s.Processed, s.SystemErrors, s.UserErrors, s.AvgLatencyMs}, UserMetrics: s.Gauges}
		if !s.LastInvoked.IsZero() {
			i.LastInvocation = s.LastInvoked.UnixMilli()
		}
		out.ReceivedTotal += s.Received
		out.ProcessedSuccessfullyTotal += s.Processed
		out.SystemExceptionsTotal += s.SystemErrors
		out.UserExceptionsTotal += s.UserErrors
		out.AvgProcessLatency += s.AvgLatencyMs / float64(len(list))
		out.LastInvocation = max(out.LastInvocation, i.LastInvocation)
		out.Instances = append(out.Instances, instanceStatsEntry{s.Instance, i})
	}
	if n, _ := q.instance(); n >= 0 {
		return q.reply(out.Instances[0].Metrics)
	}
	return q.reply(out)
}
