package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/wire"
)

// usage measures requests to a year of the series of every space, and what a
// late upload costs.
func usage(ctx context.Context, e *env) (rows []Row, err error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	dir, err := e.dir("usage")
	if err != nil {
		return nil, err
	}
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	today := n.Zone.At(time.Now()).Day
	if err := fillSeries(ctx, l, n, today); err != nil {
		return nil, err
	}
	size, err := seriesSize(ctx, l, n, today)
	if err != nil {
		return nil, err
	}
	plain := len(n.Spaces) * 525_600 * 32
	rows = append(rows,
		Row{What: "a year of the series, every space and minute", Got: fmt.Sprintf("%.1f MB", float64(size)/(1<<20)),
			Floor: fmt.Sprintf("four numbers of 8 bytes a minute %d MB", plain>>20), Ratio: float64(size) / float64(plain)},
	)
	for _, q := range []struct {
		name, target string
		days         int
		by           series.By
	}{
		{"a month by space", "≤ 30 ms", 30, series.BySpace}, {"a year by space", "≤ 150 ms", 365, series.BySpace},
		{"a year by site", "", 365, series.BySite}, {"a year by hour of the week", "", 365, series.ByHourOfWeek},
	} {
		row, err := ask(ctx, l, n, today, q.days, q.by)
		if err != nil {
			return nil, err
		}
		row.What, row.Target = "usage of "+q.name+fmt.Sprintf(", %d spaces, embedded", len(n.Spaces)), q.target
		rows = append(rows, row)
	}
	late, err := lateUpload(ctx, l, n, today)
	return append(rows, late), err
}

func seriesSize(
	ctx context.Context,
	l *ledger.Ledger,
	n *catalogue.Network,
	today catalogue.Day,
) (bytes int, err error) {
	for _, sp := range n.Spaces {
		err := l.SeriesDays(ctx,
			sp.ID,
			int64(today)-365,
			int64(today),
			func(_ int64, body []byte) error { bytes += len(body) + len(sp.ID) + 8; return nil },
		)
		if err != nil {
			return 0, err
		}
	}
	return bytes, nil
}

// ask measures one request, the best of five, beside reading its rows alone.
func ask(
	ctx context.Context,
	l *ledger.Ledger,
	n *catalogue.Network,
	today catalogue.Day,
	days int,
	by series.By,
) (Row, error) {
	from, to := n.Zone.Start(today-catalogue.Day(days)), n.Zone.Start(today)
	reader := series.Reader{History: catalogue.Always(n), Ledger: l}
	got, err := best(5, func() error {
		_, err := reader.Usage(ctx,
			series.UsageQuery{From: from, To: to, By: by, Space: func(*catalogue.Space) bool { return true }},
		)
		return err
	})
	if err != nil {
		return Row{}, err
	}
	bytes := 0
	floor, err := best(5, func() error {
		for _, sp := range n.Spaces {
			if err := l.SeriesDays(ctx,
				sp.ID,
				occupancy.MinuteOf(from)/1440,
				occupancy.MinuteOf(to)/1440+1,
				func(_ int64, body []byte) error { bytes += len(body); return nil },
			); err != nil {
				return err
			}
		}
		return nil
	})
	return Row{
		Got:   micro(got),
		Floor: "reading the same rows one after another " + micro(floor),
		Ratio: float64(got) / float64(floor),
	}, err
}

func best(times int, f func() error) (time.Duration, error) {
	least := time.Duration(1 << 62)
	for range times {
		began := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		least = min(least, time.Since(began))
	}
	return least, nil
}

// fillSeries makes a year of days: changes during the day, quiet nights.
func fillSeries(ctx context.Context, l *ledger.Ledger, n *catalogue.Network, today catalogue.Day) error {
	rng := rand.New(rand.NewPCG(7, 11))
	for _, sp := range n.Spaces {
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			for day := today - 366; day < today; day++ {
				if err := tx.PutMinutes(sp.ID, int64(day)*1440, dayRuns(rng, day), false); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func dayRuns(rng *rand.Rand, day catalogue.Day) []occupancy.Run {
	still := occupancy.Minute{Known: occupancy.MinuteMS}
	if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
		return []occupancy.Run{{Minutes: 1440, Minute: still}}
	}
	runs := []occupancy.Run{{Minutes: 450, Minute: still}}
	people := 0
	for left := 720; left > 0; {
		n := min(left, 1+rng.IntN(25))
		left -= n
		people = max(0, people+rng.IntN(5)-2)
		m := occupancy.Minute{Known: occupancy.MinuteMS, Peak: int32(people), Person: int64(people) * occupancy.MinuteMS}
		if people > 0 {
			m.Occupied = occupancy.MinuteMS
		}
		part := m
		part.Person, part.Occupied = part.Person/3, part.Occupied/2
		runs = occupancy.AppendRun(
			occupancy.AppendRun(runs, occupancy.Run{Minutes: n - 1, Minute: m}),
			occupancy.Run{Minutes: 1, Minute: part},
		)
	}
	return occupancy.AppendRun(runs, occupancy.Run{Minutes: 270, Minute: still})
}

// lateUpload lets a gateway send a day of one counter a week late, and measures
// how many minutes were computed again beside those that its values reach.
func lateUpload(ctx context.Context, l *ledger.Ledger, n *catalogue.Network, today catalogue.Day) (Row, error) {
	maker := series.NewMaker(series.MakerConfig{History: catalogue.Always(n), Ledger: l, Now: time.Now})
	if err := maker.Catch(ctx); err != nil {
		return Row{}, err
	}
	var d *catalogue.Device
	for i := range n.Devices {
		if n.Devices[i].Kind == catalogue.PeopleCounter {
			d = &n.Devices[i]
			break
		}
	}
	start := n.Zone.Start(today - 7).Add(9 * time.Hour)
	const messages = 60
	err := l.Write(ctx, func(tx *ledger.Tx) error {
		for i := range messages {
			o := &ingest.Observation{
				ID:         uuid.Must(uuid.NewV7()),
				At:         start.Add(time.Duration(i) * 5 * time.Minute),
				ReceivedAt: time.Now(),
				Device:     d.ID,
				What:       wire.Count,
				Body:       `{"count":3}`,
			}
			if err := tx.AddObservation(o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Row{}, err
	}
	before, began := maker.Made(), time.Now()
	if err := maker.Catch(ctx); err != nil {
		return Row{}, err
	}
	took, made := time.Since(began), maker.Made()-before
	touched := int64(messages*5-5) + int64(occupancy.TimingOf(d).Hold.Minutes())
	return Row{
		fmt.Sprintf("minutes computed again for %d messages that are a week late (%s)", messages, micro(took)),
		fmt.Sprint(made),
		fmt.Sprintf("minutes that they reach %d, of 5 million in a month", touched),
		float64(made) / float64(touched),
		"minutes affected",
	}, nil
}
