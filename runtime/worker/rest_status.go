package worker

import (
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// instanceStatus is Pulsar's form of the state of a function's or source's instance, with all that Strobe knows in Strobe.
type instanceStatus struct {
	Running                  bool             `json:"running"`
	Error                    string           `json:"error"`
	NumRestarts              int64            `json:"numRestarts"`
	NumReceived              int64            `json:"numReceived"`
	NumReceivedFromSource    int64            `json:"numReceivedFromSource"`
	NumSuccessfullyProcessed int64            `json:"numSuccessfullyProcessed"`
	NumWritten               int64            `json:"numWritten"`
	NumUserExceptions        int64            `json:"numUserExceptions"`
	LatestUserExceptions     []exceptionInfo  `json:"latestUserExceptions"`
	NumSystemExceptions      int64            `json:"numSystemExceptions"`
	LatestSystemExceptions   []exceptionInfo  `json:"latestSystemExceptions"`
	NumSourceExceptions      int64            `json:"numSourceExceptions"`
	LatestSourceExceptions   []exceptionInfo  `json:"latestSourceExceptions"`
	AverageLatency           float64          `json:"averageLatency"`
	LastInvocationTime       int64            `json:"lastInvocationTime"`
	LastReceivedTime         int64            `json:"lastReceivedTime"`
	WorkerID                 string           `json:"workerId"`
	Strobe                   functions.Status `json:"strobe"`
}

type exceptionInfo struct {
	ExceptionString string `json:"exceptionString"`
	TimestampMs     int64  `json:"timestampMs"`
}

type instanceEntry struct {
	InstanceID int            `json:"instanceId"`
	Status     instanceStatus `json:"status"`
}

type deploymentStatus struct {
	NumInstances int             `json:"numInstances"`
	NumRunning   int             `json:"numRunning"`
	Instances    []instanceEntry `json:"instances"`
}

func pulsarStatus(s functions.Status) instanceStatus {
	out := instanceStatus{Running: s.State == functions.StateRunning, Error: s.Error, NumRestarts: s.Restarts, NumReceived: s.Received,
		NumReceivedFromSource: s.Received, NumSuccessfullyProcessed: s.Processed, NumWritten: s.Written, NumUserExceptions: s.UserErrors,
		NumSystemExceptions: s.SystemErrors, NumSourceExceptions: s.SystemErrors, AverageLatency: s.AvgLatencyMs, WorkerID: "standalone", Strobe: s,
		LatestUserExceptions: []exceptionInfo{}, LatestSystemExceptions: []exceptionInfo{}, LatestSourceExceptions: []exceptionInfo{}}
	if !s.LastInvoked.IsZero() {
		out.LastInvocationTime = s.LastInvoked.UnixMilli()
		out.LastReceivedTime = out.LastInvocationTime
	}
	for _, e := range s.RecentErrors {
		x := exceptionInfo{e.Text, e.Time.UnixMilli()}
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
		return q.reply(pulsarStatus(list[0]))
	}
	out := deploymentStatus{NumInstances: len(list), Instances: []instanceEntry{}}
	for _, s := range list {
		if s.State == functions.StateRunning {
			out.NumRunning++
		}
		out.Instances = append(out.Instances, instanceEntry{s.Instance, pulsarStatus(s)})
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
	if n < 0 {
		return list, nil
	}
	if n >= len(list) {
		return nil, fault.WorkerNotFound.New("%s %s has instances 0 to %d", q.kind, q.name, len(list)-1)
	}
	return list[n : n+1], nil
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
