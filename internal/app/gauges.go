package app

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lorntech/totem/internal/disk"
)

// gauges reads its values from the service when Prometheus asks for them. They agree with /readyz and the alarms.
type gauges struct{ a *house }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	gaugeFaults   = gauge("totem_faults", "What keeps the service from its work: faults of /readyz.")
	gaugeDegraded = gauge("totem_degraded", "Lesser problems: degraded of /readyz.")
	gaugeAlarms   = gauge("totem_alarms_open", "Alarms that are not cleared, by kind.", "kind")
	gaugeOwed     = gauge("totem_series_owed_hours", "Hours of spaces that wait to be sent to InfluxDB.")
	gaugeFault    = gauge("totem_series_fault", "1 while InfluxDB does not accept the series; 0: it does.")
	gaugeBehind   = gauge(
		"totem_clock_behind_seconds",
		"How far this machine's clock is behind its ledger's newest message.",
	)
	gaugeFree   = gauge("totem_disk_free_bytes", "Room that is left where the data folder is.")
	gaugeSize   = gauge("totem_disk_size_bytes", "Size of the file system where the data folder is.")
	gaugeBackup = gauge("totem_backup_timestamp_seconds", "Unix time of the newest backup; 0: none was made.")
)

// gaugesTake is how long a question of Prometheus may take.
const gaugesTake = 5 * time.Second

// Describe sends no descriptions, which makes gauges an unchecked collector: which gauges there are differs from
// service to service.
func (gauges) Describe(chan<- *prometheus.Desc) {}

// Collect reads all gauges; what cannot be read at the moment is left out.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(g.a.ctx, gaugesTake)
	defer cancel()
	tell := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	tell(gaugeFaults, float64(len(g.a.Ready(ctx))))
	tell(gaugeDegraded, float64(len(g.a.Degraded())))
	tell(gaugeBehind, g.a.Pipeline.Behind().Seconds())
	for kind, n := range g.a.Live.OpenAlarms() {
		tell(gaugeAlarms, float64(n), string(kind))
	}
	if g.a.shipper != nil {
		owed, fault := g.a.shipper.Status()
		tell(gaugeOwed, float64(owed))
		broken := 0.0
		if fault != nil {
			broken = 1
		}
		tell(gaugeFault, broken)
	}
	if free, size, err := disk.Room(g.a.Config.Data); err == nil {
		tell(gaugeFree, float64(free))
		tell(gaugeSize, float64(size))
	}
	if at, err := g.a.Ledger.BackupAt(ctx); err == nil {
		unix := int64(0)
		if !at.IsZero() {
			unix = at.Unix()
		}
		tell(gaugeBackup, float64(unix))
	}
}

// metricsHandler answers /metrics.
func (a *house) metricsHandler() http.Handler {
	now := prometheus.NewRegistry()
	now.MustRegister(gauges{a})
	return promhttp.HandlerFor(prometheus.Gatherers{a.metrics.registry, now}, promhttp.HandlerOpts{})
}
