package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

const (
	movedSensors = 10
	sensorsEvery = 20 * time.Minute // how often each sensor has sent a message
)

// changes measures what it costs to change the past: sensors that were moved a
// week ago, and a plan that was different a year ago.
func changes(ctx context.Context, e *env) ([]Row, error) {
	moved, err := movedRows(ctx, e)
	if err != nil {
		return nil, err
	}
	plan, err := planRow(ctx, e)
	return append(moved, plan), err
}

func movedRows(ctx context.Context, e *env) (rows []Row, err error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	dir, err := e.dir("moved")
	if err != nil {
		return nil, err
	}
	today := n.Zone.At(time.Now()).Day
	weekAgo := today - 7
	if err := fillWeek(ctx, dir, n, n.Zone.Start(weekAgo-1)); err != nil {
		return nil, err
	}
	a, err := e.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	if err := caughtUp(ctx, a); err != nil {
		return nil, err
	}
	text, spaces := moveSensors(n)
	body, err := json.Marshal(map[string]string{"name": "moved.yaml", "text": text, "since": weekAgo.String()})
	if err != nil {
		return nil, err
	}
	floor, err := best(5, func() error { return asked(ctx, a, http.MethodGet, "/v1/plans", "", nil) })
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := asked(ctx, a, http.MethodPut, "/v1/catalogue", string(body), nil); err != nil {
		return nil, err
	}
	told := time.Since(began)
	if err := caughtUp(ctx, a); err != nil {
		return nil, err
	}
	took, made := time.Since(began), a.MinutesMade()
	week := int64(time.Since(n.Zone.Start(weekAgo)) / time.Minute)
	if err := markAll(ctx, dir, n, n.Zone.Start(weekAgo)); err != nil {
		return nil, err
	}
	began = time.Now()
	if err := caughtUp(ctx, a); err != nil {
		return nil, err
	}
	all := time.Since(began)
	return []Row{
		{
			"changing the catalogue of a running service",
			micro(told),
			"listing a plan " + micro(floor),
			float64(told) / float64(floor),
			"",
		},
		{
			fmt.Sprintf("minutes computed again for %d sensors moved a week ago", movedSensors),
			fmt.Sprint(made),
			fmt.Sprintf("a week of the %d affected spaces %d", spaces, int64(spaces)*week),
			float64(made) / float64(int64(spaces)*week),
			"minutes affected",
		},
		{
			"the same in time",
			micro(took),
			fmt.Sprintf("the week of all %d spaces %s", len(n.Spaces), micro(all)),
			float64(took) / float64(all),
			"",
		},
	}, nil
}

// markAll marks every space's minutes for recomputation from an instant on.
func markAll(ctx context.Context, dir string, n *catalogue.Network, from time.Time) (err error) {
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return l.Write(ctx, func(tx *ledger.Tx) error {
		for _, sp := range n.Spaces {
			if err := tx.MarkDirty(sp.ID, from, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// fillWeek stores the messages of every counter from an instant until now, one
// every sensorsEvery.
func fillWeek(ctx context.Context, dir string, n *catalogue.Network, from time.Time) (err error) {
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	bodies := map[catalogue.DeviceKind][2]string{
		catalogue.PeopleCounter: {"count", `{"count":%d}`},
		catalogue.FlowCounter:   {"flow", `{"in":%d,"out":1}`},
	}
	for i := range n.Devices {
		d := &n.Devices[i]
		b, counts := bodies[d.Kind]
		if !counts {
			continue
		}
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			for k, at := 0, from; at.Before(time.Now()); k, at = k+1, at.Add(sensorsEvery) {
				o := &ingest.Observation{
					ID:         uuid.Must(uuid.NewV7()),
					At:         at,
					ReceivedAt: at.Add(time.Second),
					Device:     d.ID,
					What:       wire.What(b[0]),
					Body:       fmt.Sprintf(b[1], k%7),
				}
				if err := tx.AddObservation(o); err != nil {
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

// moveSensors swaps counters between spaces in pairs, and returns the changed
// catalogue and how many spaces are affected.
func moveSensors(n *catalogue.Network) (text string, spaces int) {
	text = string(catalogue.DefaultText())
	var pair *catalogue.Device
	for i := range n.Devices {
		d := &n.Devices[i]
		if d.Kind != catalogue.PeopleCounter || spaces >= movedSensors {
			continue
		}
		if pair == nil {
			pair = d
			continue
		}
		if pair.Site == d.Site && pair.Space != d.Space {
			text = hang(hang(text, pair.ID, pair.Space, d.Space), d.ID, d.Space, pair.Space)
			spaces += 2
		}
		pair = nil
	}
	return text, spaces
}

func hang(text string, id catalogue.DeviceID, from, to catalogue.SpaceID) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "id: "+string(id)+",") {
			line = strings.Replace(line, "space: "+string(from), "space: "+string(to), 1)
		}
		out.WriteString(line)
	}
	return out.String()
}

// caughtUp waits until the series includes everything committed.
func caughtUp(ctx context.Context, a *app.App) error {
	q := url.Values{
		"from": {time.Now().UTC().Add(-time.Hour).Truncate(time.Hour).Format(time.RFC3339)},
		"to":   {time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339)},
	}
	for {
		var answer struct {
			AsOf *string `json:"as_of"`
		}
		if err := asked(ctx, a, http.MethodGet, "/v1/usage?"+q.Encode(), "", &answer); err != nil || answer.AsOf == nil {
			return err
		}
	}
}

// planRow changes a plan that every lease has, from a year back, and asks for
// the hours of every month since.
func planRow(ctx context.Context, e *env) (row Row, err error) {
	n, err := catalogue.Default()
	if err != nil {
		return row, err
	}
	dir, err := e.dir("plan")
	if err != nil {
		return row, err
	}
	now := time.Now()
	last := tariff.MonthAt(tariff.Month{Year: now.Year(), Month: now.Month()}.Index() - 1)
	first := tariff.MonthAt(last.Index() - 11)
	if err := fillYear(ctx, dir, n, first, last); err != nil {
		return row, err
	}
	a, err := e.start(ctx, dir)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	if err := a.Rights.Apply(ctx, "bench", billed(first)...); err != nil {
		return row, err
	}
	months := func() error {
		for i := first.Index(); i <= last.Index(); i++ {
			if err := asked(ctx, a, http.MethodGet, "/v1/hours?month="+tariff.MonthAt(i).String(), "", nil); err != nil {
				return err
			}
		}
		return nil
	}
	if err := months(); err != nil {
		return row, err
	}
	kept, err := best(3, months)
	if err != nil {
		return row, err
	}
	day, _ := first.Days()
	rate := 300
	changed, err := best(3, func() error {
		rate++
		if err := asked(ctx,
			a,
			http.MethodPut,
			"/v1/plans/bench",
			fmt.Sprintf(
				`{"id":"bench","name":"Bench","includes":["coworking"],"schedule":"always","included_minutes":1200,"hourly_rate_cents":%d,"rounding_minutes":15,"grace_minutes":5,"daily_cap_minutes":0,"vat_pct":20,"effective_from":%q}`,
				rate,
				day,
			),
			nil,
		); err != nil {
			return err
		}
		return months()
	})
	return Row{
		fmt.Sprintf("a plan of %d leases changed a year back, and their hours of 12 months asked for", billedTenants),
		micro(changed),
		"the same hours, as they were kept " + micro(kept),
		float64(changed) / float64(kept),
		"≤ 1 s",
	}, err
}

// fillYear gives a member of each lease a visit on every weekday.
func fillYear(ctx context.Context, dir string, n *catalogue.Network, first, last tariff.Month) (err error) {
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	from, _ := first.Days()
	_, to := last.Days()
	for i := range billedTenants {
		var list []ledger.Visit
		for day := from; day <= to; day++ {
			if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
				continue
			}
			begin := n.Zone.Instant(day, 8*3600+(i*97+int(day)*31)%7200)
			list = append(list,
				ledger.Visit{
					ID:     uuid.Must(uuid.NewV7()),
					Tenant: tenancy.TenantID(fmt.Sprintf("bench-%d", i)),
					Space:  "metz-coworking",
					From:   begin,
					To:     begin.Add(time.Duration(3600+(i*61+int(day)*17)%20_000) * time.Second),
					Ended:  visit.Badge,
				},
			)
		}
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			return tx.ReplaceVisits(benchMember(i), n.Zone.Start(from), n.Zone.Start(to+1), list)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
