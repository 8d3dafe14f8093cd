// Package bench measures what Totem does on this machine, each figure beside a
// floor of the same machine in the same run: a bare echo, a bare fsync, a bare
// loop. `totem bench` runs it; it tests nothing.
package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/keys"
)

// Options say what to measure and how much of it.
type Options struct {
	Only  []string      // names of parts; none: all
	For   time.Duration // how long each load lasts
	Reads int           // reads in the ledger of the cold start
	Size  int           // percent of the usual loads; 0: all
	Dir   string        // folder for ledgers; empty: a temporary one
	// Database is the URL of an empty PostgreSQL database; empty: its part is left out.
	Database string
}

// Row is one measured figure, and the figure that it is compared with.
type Row struct {
	What   string
	Got    string
	Floor  string // what it is compared with, and its figure
	Ratio  float64
	Target string
}

// part is one measurement that --only can name.
type part struct {
	name string
	run  func(context.Context, *env) ([]Row, error)
}

func parts() []part {
	return []part{
		{"decide", decide},
		{"latency", latency},
		{"postgres", postgres},
		{"throughput", throughput},
		{"isolation", isolation},
		{"reconnect", reconnect},
		{"sensors", sensors},
		{"usage", usage},
		{"live", live},
		{"bills", invoices},
		{"changes", changes},
		{"backup", backups},
		{"start", coldStart},
	}
}

// Names lists the parts.
func Names() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

type env struct {
	Options
	log *slog.Logger
	out io.Writer
}

// share returns how much of a load is run.
func (e *env) share(load int) int {
	if e.Size == 0 {
		return load
	}
	return max(1, load*e.Size/100)
}

// dir creates a folder for one ledger, with keys: a service opens no used
// ledger without them.
func (e *env) dir(name string) (string, error) {
	dir := filepath.Join(e.Dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	_, err := keys.Open(filepath.Join(dir, "keys.json"), nil, nil, false)
	return dir, err
}

// start runs a whole service on a new ledger and a free port.
func (e *env) start(ctx context.Context, dir string) (*app.App, error) {
	return e.startOn(ctx, dir, "")
}

// startOn is start with the ledger in a PostgreSQL database, where one is named.
func (e *env) startOn(ctx context.Context, dir, database string) (*app.App, error) {
	cfg := app.Config{Data: dir, DatabaseURL: database, HTTP: "127.0.0.1:0", MQTTListen: "127.0.0.1:0",
		AdminToken: "bench-admin-token-bench"}
	return app.Start(ctx, cfg, app.Options{Log: e.log, Anonymous: true})
}

// Run measures and prints a table.
func Run(ctx context.Context, out io.Writer, o Options) error {
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "totem-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	e := &env{Options: o, log: slog.New(slog.DiscardHandler), out: out}
	var rows []Row
	for _, p := range parts() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, p.name) {
			continue
		}
		fmt.Fprintf(out, "measuring %s …\n", p.name)
		more, err := p.run(ctx, e)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, more...)
	}
	return print(out, rows)
}

func print(out io.Writer, rows []Row) error {
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nwhat\tmeasured\tfloor in the same run\tratio\ttarget")
	for _, r := range rows {
		ratio := ""
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f ×", r.Ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.What, r.Got, r.Floor, ratio, r.Target)
	}
	return w.Flush()
}

// quantile returns the q-quantile, 0 to 1, of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func micro(d time.Duration) string {
	if d < 10*time.Microsecond {
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	}
	if d < 100*time.Microsecond {
		return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1000)
	}
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
