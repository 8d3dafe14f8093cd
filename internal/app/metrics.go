package app

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lorntech/totem/internal/access"
)

// metrics is what operators scrape. Labels are reasons and codes, never people.
type metrics struct {
	registry      *prometheus.Registry
	messages      prometheus.Counter
	commits       prometheus.Histogram
	commitFails   prometheus.Counter
	decisions     *prometheus.CounterVec
	decisionTime  prometheus.Histogram
	rejects       *prometheus.CounterVec
	repeats       prometheus.Counter
	listLag       prometheus.Histogram
	listsOutdated prometheus.Gauge
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	f := factory{r}
	m := &metrics{
		registry:     r,
		messages:     f.counter("totem_messages_committed_total", "Messages committed to the ledger."),
		commits:      f.histogram("totem_commit_seconds", "Time of one durable commit.", prometheus.ExponentialBuckets(0.0001, 2, 14)),
		commitFails:  f.counter("totem_commit_failures_total", "Commits that failed and were tried again."),
		decisionTime: f.histogram("totem_decision_seconds", "Time from a badge's arrival to its decision's publication.", prometheus.ExponentialBuckets(0.0001, 2, 14)),
		repeats:      f.counter("totem_messages_repeated_total", "Messages that were repeats of committed ones."),
		listLag: f.histogram("totem_allowlist_propagation_seconds", "Time from a change of rights to a reader's report of having applied its list.",
			prometheus.ExponentialBuckets(0.05, 2, 16)),
		listsOutdated: f.gauge("totem_allowlists_outdated", "Readers that have not reported their newest list."),
		decisions:     f.counterVec("totem_decisions_total", "Decisions by reason.", "reason", "granted"),
		rejects:       f.counterVec("totem_rejects_total", "Rejected messages by code.", "code"),
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

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) Committed(messages int, took time.Duration) {
	m.messages.Add(float64(messages))
	m.commits.Observe(took.Seconds())
}

func (m *metrics) Decided(reason access.Reason, granted bool, took time.Duration) {
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
func (m *metrics) CommitFailed()        { m.commitFails.Inc() }
