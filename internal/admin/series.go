package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/settings"
)

// rebuildStep is how often the progress of a running service is read.
const rebuildStep = 200 * time.Millisecond

// lock makes this process the service of a ledger; [ledger.ErrInUse] where one runs.
func lock(ctx context.Context, cfg settings.Config, l *ledger.Ledger) (unlock func() error, err error) {
	if unlock, err = ledger.Lock(cfg.Data); err != nil {
		return nil, err
	}
	if err := l.OwnNow(ctx); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return unlock, nil
}

// RebuildSeries computes the series of [from, to) again from the ledger, and
// queues it for InfluxDB again. A running service does the work, and this
// function shows its progress.
func RebuildSeries(ctx context.Context, cfg settings.Config, from, to time.Time, out, bar io.Writer) (err error) {
	if err := cfg.Check(); err != nil {
		return err
	}
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	history, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return err
	}
	n := *history.Last()
	r := rebuild{cfg: cfg, network: n, history: history, ledger: l}
	if err := r.mark(ctx, from, to); err != nil {
		return err
	}
	unlock, err := lock(ctx, cfg, l)
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, unlock()) }()
		err = r.work(ctx, bar)
	case errors.Is(err, ledger.ErrInUse):
		err = r.follow(ctx, bar)
	}
	if err == nil && r.minutes > 0 {
		fmt.Fprintf(out,
			"The series was computed again for %d spaces, from %s to %s.\n",
			len(n.Spaces),
			r.from.In(n.Zone.Location()).Format(time.DateTime),
			r.to.In(n.Zone.Location()).Format(time.DateTime),
		)
	}
	if err == nil && cfg.InfluxURL != "" {
		fmt.Fprintln(out, "All that the ledger holds of that time was sent to InfluxDB again.")
	}
	return err
}

type rebuild struct {
	cfg      settings.Config
	network  *catalogue.Network
	history  catalogue.History
	ledger   *ledger.Ledger
	from, to time.Time
	minutes  int64
}

// mark marks for recomputation the time for which there are messages.
func (r *rebuild) mark(ctx context.Context, from, to time.Time) error {
	first, err := r.ledger.FirstMessage(ctx)
	if err != nil {
		return err
	}
	final, err := r.ledger.Final(ctx)
	if err != nil {
		return err
	}
	if now := time.Now(); to.After(now) {
		to = now
	}
	r.from, r.to = from.UTC().Truncate(time.Minute), to.UTC()
	send := r.from // also days whose messages are no longer kept
	for _, t := range []time.Time{first, occupancy.MinuteTime(final)} {
		if r.from.Before(t) {
			r.from = t.UTC().Truncate(time.Minute)
		}
	}
	if r.to.After(r.from) {
		for _, space := range catalogue.EverSpaces(r.history) {
			r.minutes += occupancy.MinuteAfter(r.to) - occupancy.MinuteOf(r.from)
			if err := r.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.MarkDirty(space, r.from, r.to) }); err != nil {
				return err
			}
		}
	} else if r.cfg.InfluxURL == "" {
		return errors.New("there is nothing to rebuild: the ledger holds no messages of that time")
	}
	if r.cfg.InfluxURL != "" {
		return series.Rewind(ctx, r.ledger, send, r.to)
	}
	return nil
}

// work computes and ships by itself, because no service is running.
func (r *rebuild) work(ctx context.Context, out io.Writer) error {
	log := slog.New(slog.DiscardHandler)
	bar := progress.New(out, int(r.minutes), "computing minutes")
	maker := series.NewMaker(
		series.MakerConfig{History: r.history, Ledger: r.ledger, Outbox: r.cfg.InfluxURL != "", Now: time.Now, Log: log},
	)
	done := make(chan error, 1)
	go func() { done <- maker.Catch(ctx) }()
	for {
		select {
		case err := <-done:
			bar.Finish()
			if err != nil || r.cfg.InfluxURL == "" {
				return err
			}
			return r.ship(ctx, out, log)
		case <-time.After(rebuildStep):
			bar.Set(int(min(maker.Made(), r.minutes)))
		}
	}
}

func (r *rebuild) ship(ctx context.Context, out io.Writer, log *slog.Logger) error {
	influx := series.NewInflux(r.network, r.cfg.Influx())
	defer influx.Close()
	s := series.NewShipper(r.history, r.ledger, influx, time.Now, log)
	_, owed, err := r.ledger.Outbox(ctx, 1)
	if err != nil {
		return err
	}
	bar := progress.New(out, owed, "sending hours to InfluxDB")
	defer bar.Finish()
	for more := true; more; {
		if more, err = s.Ship(ctx); err != nil {
			return err
		}
		left, _ := s.Status()
		bar.Set(owed - left)
	}
	return nil
}

// follow shows the progress of the running service.
func (r *rebuild) follow(ctx context.Context, out io.Writer) error {
	var bar progress.Bar
	all := -1
	for {
		dirty, err := r.ledger.DirtyMinutes(ctx, 1)
		if err != nil {
			return err
		}
		_, owed, err := r.ledger.Outbox(ctx, 1)
		if err != nil {
			return err
		}
		if owed > all {
			bar.Finish()
			all = owed
			bar = progress.New(out, all+len(r.network.Spaces), "the running service is computing it")
		}
		if len(dirty) == 0 && (owed == 0 || r.cfg.InfluxURL == "") {
			bar.Finish()
			return nil
		}
		bar.Set(all - owed)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rebuildStep):
		}
	}
}

// CheckSeries compares the days in InfluxDB with the ledger's, and prints where
// they differ.
func CheckSeries(ctx context.Context, cfg settings.Config, from, to time.Time, out io.Writer) (err error) {
	if err := cfg.Check(); err != nil {
		return err
	}
	if cfg.InfluxURL == "" {
		return errors.New("--influx-url (TOTEM_INFLUX_URL): is not set, so there is no InfluxDB to compare with")
	}
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	history, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return err
	}
	influx := series.NewInflux(*history.Last(), cfg.Influx())
	defer influx.Close()
	now := time.Now()
	if err := influx.Access(ctx, now); err != nil {
		return err
	}
	keeps, err := influx.Retention(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(out, "How long the bucket keeps points cannot be read (%v): all days are compared.\n", err)
	case keeps > 0 && from.Before(now.Add(-keeps)):
		zone := (*history.Last()).Zone
		first := zone.At(now.Add(-keeps)).Day + 1
		from = zone.Start(first)
		fmt.Fprintf(
			out,
			"Bucket %s keeps %g days: days before %s are not compared.\n",
			cfg.InfluxBucket,
			keeps.Hours()/24,
			first,
		)
	}
	days, differ, err := Compare(ctx, history, l, influx, from, to, out)
	if err != nil {
		return err
	}
	_, owed, err := l.Outbox(ctx, 1)
	switch {
	case err != nil:
		return err
	case differ > 0 && owed > 0:
		return fmt.Errorf("InfluxDB and the ledger differ in %d daily sums (%d days compared), "+
			"and %d hours of single spaces are still to be sent: check again afterwards", differ, days, owed)
	case differ > 0:
		return fmt.Errorf("InfluxDB and the ledger differ in %d daily sums (%d days compared): "+
			"totem series rebuild sends them again", differ, days)
	}
	fmt.Fprintf(out, "InfluxDB agrees with the ledger: %d days, every space.\n", days)
	return nil
}

// comparison compares the series of an InfluxDB with that of the ledger.
type comparison struct {
	zone   *catalogue.Zone
	ledger *ledger.Ledger
	reader series.Reader
	influx *series.Influx
}

// Compare compares the days in InfluxDB with the ledger's: each day that [from, to)
// touches and that the ledger has a series of, the present one up to now. It
// prints differences, and returns how many days it compared and how many sums differ.
func Compare(
	ctx context.Context,
	h catalogue.History,
	l *ledger.Ledger,
	influx *series.Influx,
	from, to time.Time,
	out io.Writer,
) (days, differ int, err error) {
	c := comparison{(*h.Last()).Zone, l, series.Reader{History: h, Ledger: l}, influx}
	first, there, err := l.FirstMinute(ctx)
	if err != nil || !there {
		return 0, 0, err
	}
	if begins := occupancy.MinuteTime(first); from.Before(begins) {
		from = begins
	}
	if now := time.Now(); to.After(now) {
		to = now
	}
	for day := c.zone.At(from).Day; c.zone.Start(day).Before(to); day++ {
		list, err := c.day(ctx, day)
		if err != nil {
			return days, differ, err
		}
		for _, line := range list {
			fmt.Fprintln(out, line)
		}
		differ += len(list)
		days++
	}
	return days, differ, nil
}

// comparisons is how often the present day is compared before a difference counts: minutes are added to it meanwhile.
const comparisons = 4

// day returns a line for each space whose sums of a day differ.
func (c comparison) day(ctx context.Context, day catalogue.Day) (differ []string, err error) {
	for try := 1; ; try++ {
		if differ, err = c.once(ctx, day); err != nil || len(differ) == 0 {
			return differ, err
		}
		if !c.zone.Start(day+1).After(time.Now()) || try == comparisons {
			return differ, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(2 * time.Second): // a minute was computed and is on its way
		}
	}
}

func (c comparison) once(ctx context.Context, day catalogue.Day) (differ []string, err error) {
	from, to := c.zone.Start(day), c.zone.Start(day+1)
	have, err := c.influx.Days(ctx, from, to)
	if err != nil {
		return nil, err
	}
	want, err := c.reader.Usage(ctx,
		series.UsageQuery{From: from, To: to, By: series.BySpace, Space: func(*catalogue.Space) bool { return true }},
	)
	if err != nil {
		return nil, err
	}
	for _, u := range want {
		u.CapacityOpen = 0 // which no roll-up has
		if got := have[catalogue.SpaceID(u.Key)]; got != u.Sum && u.Known > 0 {
			differ = append(differ, fmt.Sprintf("%s %s: known %.2f h, person %.2f h in the ledger; %.2f h, %.2f h in InfluxDB",
				day, u.Key, hours(u.Known), hours(u.Person), hours(got.Known), hours(got.Person)))
		}
	}
	return differ, nil
}

func hours(ms int64) float64 { return float64(ms) / 3_600_000 }
