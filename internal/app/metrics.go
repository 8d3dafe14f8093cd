package app

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
)

// metrics are the metrics for Prometheus. Labels are reasons and codes, never
// people.
type metrics struct {
	registry     *prometheus.Registry
	lists        *listWatch
	messages     prometheus.Counter
	commits      prometheus.Histogram
	commitFails  prometheus.Counter
	decisions    *prometheus.CounterVec
	decisionTime prometheus.Histogram
	rejects      *prometheus.CounterVec
	repeats      prometheus.Counter
	ignored      prometheus.Counter
	webhooks     *prometheus.CounterVec
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	f := factory{r}
	m := &metrics{
		registry: r,
		messages: f.counter("totem_messages_committed_total", "Messages committed to the ledger."),
		commits: f.histogram(
			"totem_commit_seconds",
			"Time of one durable commit.",
			prometheus.ExponentialBuckets(0.0001, 2, 14),
		),
		commitFails: f.counter("totem_commit_failures_total", "Commits that failed and were tried again."),
		decisionTime: f.histogram(
			"totem_decision_seconds",
			"Time from a badge's arrival to its decision's publication.",
			prometheus.ExponentialBuckets(0.0001, 2, 14),
		),
		repeats: f.counter("totem_messages_repeated_total", "Messages that were repeats of committed ones."),
		ignored: f.counter("totem_messages_ignored_total", "Messages that were ignored: old, or of no concern to Totem."),
		lists: &listWatch{
			waiting: map[catalogue.DeviceID]issuedList{},
			lag: f.histogram(
				"totem_allowlist_propagation_seconds",
				"Time from a change of rights to a reader's report of having applied its list.",
				prometheus.ExponentialBuckets(0.05, 2, 16),
			),
			outdated: f.gauge("totem_allowlists_outdated", "Readers that have not reported their newest list."),
			oldest: f.gauge(
				"totem_allowlist_oldest_change_timestamp_seconds",
				"Time of the oldest change of rights that some reader has not reported; 0: none.",
			),
		},
		decisions: f.counterVec("totem_decisions_total", "Decisions by reason.", "reason", "granted"),
		rejects:   f.counterVec("totem_rejects_total", "Rejected messages by code.", "code"),
		webhooks: f.counterVec(
			"totem_webhook_attempts_total",
			"Attempts to deliver events to webhooks, by what became of the event.",
			"outcome",
		),
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

type factory struct{ r *prometheus.Registry }

func (f factory) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	f.r.MustRegister(c)
	return c
}

func (f factory) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	f.r.MustRegister(c)
	return c
}

func (f factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	f.r.MustRegister(h)
	return h
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	f.r.MustRegister(g)
	return g
}

func (m *metrics) Committed(messages int, took time.Duration) {
	m.messages.Add(float64(messages))
	m.commits.Observe(took.Seconds())
}

// measured reports what the pipeline does, both to the metrics and to the
// series.
type measured struct {
	*metrics
	waits *decisionWaits
}

// Decided counts an answer to a reader.
func (m measured) Decided(
	site catalogue.SiteID,
	door catalogue.DoorID,
	reason access.Reason,
	granted bool,
	took time.Duration,
) {
	m.decided(reason, granted, took)
	m.waits.Add(site, took)
	if !granted {
		m.waits.Refuse(site, door, reason)
	}
}

func (m *metrics) decided(reason access.Reason, granted bool, took time.Duration) {
	m.decisions.WithLabelValues(string(reason), yes(granted)).Inc()
	m.decisionTime.Observe(took.Seconds())
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func (m *metrics) Rejected(code string) { m.rejects.WithLabelValues(code).Inc() }
func (m *metrics) Repeated()            { m.repeats.Inc() }
func (m *metrics) Ignored()             { m.ignored.Inc() }
func (m *metrics) CommitFailed()        { m.commitFails.Inc() }

// listWatch measures the time from issuing an allowlist to the reader's report that it has applied it. It shows how
// long a revocation takes to reach the last reader.
type listWatch struct {
	mu       sync.Mutex
	waiting  map[catalogue.DeviceID]issuedList
	lag      prometheus.Histogram
	outdated prometheus.Gauge
	oldest   prometheus.Gauge
}

type issuedList struct {
	version int64
	at      time.Time // when the first list was issued since the reader last had its newest one
}

// issued notes that a reader was sent a new list.
func (w *listWatch) issued(reader catalogue.DeviceID, version int64, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, waits := w.waiting[reader]; waits {
		at = before.at
	}
	w.waiting[reader] = issuedList{version, at}
	w.show()
}

// applied notes which version a reader reports.
func (w *listWatch) applied(reader catalogue.DeviceID, version string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, waits := w.waiting[reader]
	if n, err := strconv.ParseInt(version, 10, 64); !waits || err != nil || n < l.version {
		return
	}
	delete(w.waiting, reader)
	w.lag.Observe(now.Sub(l.at).Seconds())
	w.show()
}

// keep forgets the lists of readers that the catalogue no longer has.
func (w *listWatch) keep(n *catalogue.Network) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.waiting {
		if d := n.Device(id); d == nil || d.Kind != catalogue.Reader {
			delete(w.waiting, id)
		}
	}
	w.show()
}

func (w *listWatch) show() {
	w.outdated.Set(float64(len(w.waiting)))
	var oldest time.Time
	for _, l := range w.waiting {
		if oldest.IsZero() || l.at.Before(oldest) {
			oldest = l.at
		}
	}
	if oldest.IsZero() {
		w.oldest.Set(0)
		return
	}
	w.oldest.Set(float64(oldest.UnixMilli()) / 1000)
}
