package series

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/wire"
)

// Shipper sends an InfluxDB its copy of the series: whatever is queued in the
// ledger's outbox, again and again until it is accepted. It holds one
// batch in memory, however long InfluxDB is away; the rest waits in the outbox. A
// point that is sent twice overwrites itself, and so counts once.
type Shipper struct {
	network   *catalogue.Network // the present network
	history   catalogue.History
	ledger    *ledger.Ledger
	influx    *Influx
	calendars catalogue.Calendars
	now       func() time.Time
	log       *slog.Logger

	informed bool      // InfluxDB has the descriptions of spaces; used by Ship only
	attended time.Time // when the mark was last looked at
	unread   bool      // it was logged that the mark cannot be read

	mu    sync.Mutex
	fault error
	owed  int
}

const (
	shipHours = 80 // hours of spaces in one request
	shipPage  = 2000
	shipEvery = 2 * time.Second
	shipRetry = time.Minute // the longest wait between attempts
	// shipTell is how often a lasting fault is logged.
	shipTell = 10 * time.Minute
	// attendEvery is how often the mark is checked, and markEvery how often it gets a
	// new timestamp, so that the bucket's retention never deletes it.
	attendEvery = time.Minute
	markEvery   = 10 * time.Minute

	cursorMark      = "influx-mark" // Unix time of the mark, in seconds
	cursorShipped   = "influx-observations"
	cursorDecisions = "influx-decisions"
)

// NewShipper returns a shipper; Run runs it.
func NewShipper(h catalogue.History, l *ledger.Ledger, i *Influx, now func() time.Time, log *slog.Logger) *Shipper {
	return &Shipper{
		network:   *h.Last(),
		history:   h,
		ledger:    l,
		influx:    i,
		calendars: catalogue.Calendars{},
		now:       now,
		log:       log,
	}
}

// Status returns how many hours of spaces are queued, and why they cannot be
// sent; nil: no fault.
func (s *Shipper) Status() (owed int, fault error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed, s.fault
}

// Run sends the hours that InfluxDB is owed, until ctx ends.
func (s *Shipper) Run(ctx context.Context) {
	var wait time.Duration
	var told time.Time
	for {
		more, err := false, s.attend(ctx)
		if err == nil {
			more, err = s.Ship(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if told = s.note(err, told); err != nil {
			wait = min(max(2*wait, shipEvery), shipRetry)
		} else if wait = shipEvery; more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// note stores and logs a fault when it begins, ends, changes or lasts.
func (s *Shipper) note(err error, told time.Time) time.Time {
	s.mu.Lock()
	before := s.fault
	s.fault = err
	s.mu.Unlock()
	switch now := s.now(); {
	case err == nil && before != nil:
		s.log.Info("InfluxDB accepts the series again")
	case err != nil && (before == nil || before.Error() != err.Error() || now.Sub(told) > shipTell):
		s.log.Warn("could not send the series to InfluxDB; all of it is sent later", "error", err)
		return now
	}
	return told
}

// Ship sends one batch of each kind and reports whether there is more.
func (s *Shipper) Ship(ctx context.Context) (more bool, err error) {
	for _, ship := range []func(context.Context) (bool, error){s.infos, s.minutes, s.observations, s.decisions} {
		m, err := ship(ctx)
		if err != nil {
			return false, err
		}
		more = more || m
	}
	return more, nil
}

// minutes sends queued hours with the hourly and daily points that they belong
// to.
func (s *Shipper) minutes(ctx context.Context) (more bool, err error) {
	now := occupancy.MinuteOf(s.now())
	owed, all, err := s.ledger.Outbox(ctx, shipHours)
	s.mu.Lock()
	s.owed = all
	s.mu.Unlock()
	if err != nil || len(owed) == 0 {
		return false, err
	}
	l := newLines(s.network)
	for from := 0; from < len(owed); {
		to := from
		for to < len(owed) && owed[to].Space == owed[from].Space {
			to++
		}
		if err := s.space(ctx, l, owed[from:to], now); err != nil {
			return false, err
		}
		from = to
	}
	if err := s.deliver(ctx, l); err != nil {
		return false, err
	}
	if err := s.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.Delivered(owed) }); err != nil {
		return false, err
	}
	s.mu.Lock()
	s.owed = all - len(owed)
	s.mu.Unlock()
	return all > len(owed), nil
}

// deliver sends points; it treats as delivered those that are older than the
// bucket keeps any.
func (s *Shipper) deliver(ctx context.Context, l *lines) error {
	err := s.influx.send(ctx, l)
	if errors.Is(err, errExpired) {
		s.log.Debug("InfluxDB refuses points older than its retention", "error", err)
		return nil
	}
	return err
}

// space collects queued hours of one space, ascending. It leaves out minutes that have not
// passed yet: a dashboard would take such a point, which says "unknown", for the present
// state. A minute that has passed and is not computed yet is sent as unknown; its hour is
// queued again when the minute is computed.
func (s *Shipper) space(ctx context.Context, l *lines, owed []ledger.Owed, now int64) error {
	read := func(from, to int64) ([]occupancy.Run, error) {
		return spaceRuns(ctx, s.ledger, owed[0].Space, from, to)
	}
	var last catalogue.Day
	for k, o := range owed {
		from := o.Hour * 60
		n, sp := catalogue.SpaceAt(s.history, o.Space, occupancy.MinuteTime(from))
		if sp == nil { // a former name of a space: nothing is known under it
			if n, sp = s.renamed(o.Space); sp == nil {
				return nil
			}
		}
		cal := s.calendars.Of(n, sp.Site)
		runs, err := read(from, from+60)
		if err != nil {
			return err
		}
		l.minutes(sp, from, occupancy.Cut(runs, 0, int(max(0, min(60, now-from)))))
		s.rollUp(l, measureHour, sp, from, from+60, runs)
		day := cal.Zone.At(occupancy.MinuteTime(from)).Day
		if k > 0 && day == last {
			continue
		}
		last = day
		from, to := occupancy.MinuteOf(cal.Zone.Start(day)), occupancy.MinuteOf(cal.Zone.Start(day+1))
		if runs, err = read(from, to); err != nil {
			return err
		}
		s.rollUp(l, measureDay, sp, from, to, runs)
	}
	return nil
}

// renamed returns a space under a former name; nil: no space had it.
func (s *Shipper) renamed(old catalogue.SpaceID) (*catalogue.Network, *catalogue.Space) {
	is := s.network.Space(s.network.PresentName(old))
	if is == nil {
		return nil, nil
	}
	was := *is
	was.ID = old
	return s.network, &was
}

func (s *Shipper) rollUp(l *lines, measurement string, sp *catalogue.Space, from, to int64, runs []occupancy.Run) {
	var sum occupancy.Sum
	for _, p := range catalogue.Pieces(s.history, occupancy.MinuteTime(from), occupancy.MinuteTime(to)) {
		was := p.Network.Space(sp.ID)
		if was == nil {
			continue
		}
		slots := occupancy.Slots(
			s.calendars.Of(p.Network, was.Site),
			occupancy.MinuteAfter(p.From),
			occupancy.MinuteAfter(p.To),
			false,
			false,
		)
		occupancy.Spend(slots, from, runs, func(*occupancy.Slot) *occupancy.Sum { return &sum })
		for _, slot := range slots {
			if slot.Open {
				sum.Open += (slot.To - slot.From) * occupancy.MinuteMS
			}
		}
	}
	l.sum(measurement, sp, from, &sum)
}

// spaceRuns reads a space's minutes [from, to) from the ledger; missing minutes
// are unknown.
func spaceRuns(
	ctx context.Context,
	l *ledger.Ledger,
	space catalogue.SpaceID,
	from, to int64,
) ([]occupancy.Run, error) {
	var out []occupancy.Run
	at := from
	err := l.SeriesRuns(ctx,
		space,
		from/dayMinutes,
		(to+dayMinutes-1)/dayMinutes,
		false,
		func(day int64, runs []occupancy.Run) {
			begin := day * dayMinutes
			out = occupancy.AppendRun(out, occupancy.Run{Minutes: int(begin - at)})
			at = max(at, begin)
			for _, r := range occupancy.Cut(runs, int(at-begin), int(min(to-begin, dayMinutes))) {
				out = occupancy.AppendRun(out, r)
				at += int64(r.Minutes)
			}
		},
	)
	return occupancy.AppendRun(out, occupancy.Run{Minutes: int(to - at)}), err
}

// observations sends air measurements and devices' statuses.
func (s *Shipper) observations(ctx context.Context) (more bool, err error) {
	after, err := s.ledger.Cursor(ctx, cursorShipped)
	if err != nil {
		return false, err
	}
	list, err := s.ledger.ObservationsPage(ctx, after, shipPage)
	if err != nil || len(list) == 0 {
		return false, err
	}
	l := newLines(s.network)
	for k := range list {
		o := &list[k]
		l.network = catalogue.At(s.history, o.At)
		d := l.network.Device(o.Device)
		if d == nil || o.What != wire.Air && o.What != wire.Status {
			continue
		}
		v, err := o.Values()
		if err != nil {
			return false, err
		}
		if o.What == wire.Air {
			l.air(d, o.At, v)
		} else {
			l.device(d, o.At, v)
		}
	}
	if err := s.deliver(ctx, l); err != nil {
		return false, err
	}
	err = s.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.SetCursor(cursorShipped, list[len(list)-1].Seq) })
	return len(list) == shipPage, err
}

// decisions sends how long readers waited.
func (s *Shipper) decisions(ctx context.Context) (more bool, err error) {
	after, err := s.ledger.Cursor(ctx, cursorDecisions)
	if err != nil {
		return false, err
	}
	list, err := s.ledger.DecisionTimes(ctx, after, shipPage)
	if err != nil || len(list) == 0 {
		return false, err
	}
	l := newLines(s.network)
	for _, d := range list {
		l.begin(measureDecisions, "site", string(d.Site))
		l.int("count", d.Count)
		l.float("max_ms", float64(d.Max.Microseconds())/1000)
		l.float("mean_ms", float64(d.Mean.Microseconds())/1000)
		l.float("p50_ms", float64(d.P50.Microseconds())/1000)
		l.float("p99_ms", float64(d.P99.Microseconds())/1000)
		l.int("refused", d.Refused)
		l.end(occupancy.MinuteTime(d.Minute))
		for _, r := range d.Refusals {
			l.begin(measureRefusals, "door", string(r.Door), "reason", r.Reason, "site", string(d.Site))
			l.int("count", r.Count)
			l.end(occupancy.MinuteTime(d.Minute))
		}
	}
	if err := s.deliver(ctx, l); err != nil {
		return false, err
	}
	err = s.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.SetCursor(cursorDecisions, list[len(list)-1].Minute) })
	return len(list) == shipPage, err
}
