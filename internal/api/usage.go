package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
)

const tagUsage = "Usage"

// longestQuestion limits the time that one request may ask for.
const longestQuestion = 10 * 366 * 24 * time.Hour

// mostBuckets limits the number of buckets in one answer.
const mostBuckets = 100_000

// Period is a stretch of time of whole minutes.
type Period struct {
	From time.Time `query:"from" required:"true" doc:"Whole minutes; with its offset, as 2026-10-01T00:00:00+02:00."`
	To   time.Time `query:"to" required:"true" doc:"Not included."`
}

// check refuses times that are not whole minutes or are in the wrong order.
func (s Period) check() error {
	for _, f := range []struct {
		name string
		at   time.Time
	}{{"from", s.From}, {"to", s.To}} {
		if f.at.UnixNano()%int64(time.Minute) != 0 {
			return invalid("query", f.name, "is not a whole minute")
		}
		if f.at.Year() < 1970 || f.at.Year() > 9999 {
			return invalid("query", f.name, "lies before 1970 or after 9999")
		}
	}
	switch {
	case !s.To.After(s.From):
		return invalid("query", "to", "is not after from")
	case s.To.Sub(s.From) > longestQuestion:
		return invalid("query", "to", "lies more than ten years after from")
	}
	return nil
}

type usageIn struct {
	Tabular
	Period
	By   string `query:"by" enum:"space,kind,building,site,hour-of-week" default:"space" doc:"hour-of-week: local hours, as mon-08."`
	Site string `query:"site" doc:"Only of this site."`
	Kind string `query:"kind" doc:"Only of this kind."`
}

// usageView is the use of one group (rules 10.1). Null is unknown.
type usageView struct {
	Key               string   `json:"key"`
	Spaces            int      `json:"spaces"`
	KnownHours        float64  `json:"known_hours"`
	OccupiedHours     float64  `json:"occupied_hours"`
	PersonHours       float64  `json:"person_hours"`
	Peak              *int32   `json:"peak"`
	OpenHours         float64  `json:"open_hours" doc:"Opening hours of the site, summed over the spaces of the group."`
	KnownOpenHours    float64  `json:"known_open_hours"`
	OccupiedOpenHours float64  `json:"occupied_open_hours"`
	PersonOpenHours   float64  `json:"person_open_hours"`
	Utilisation       *float64 `json:"utilisation" doc:"Fraction of the known opening hours that was occupied."`
	Fill              *float64 `json:"fill" doc:"Fraction of the places that was taken in the known opening hours."`
}

func hours(ms int64) float64 { return float64(ms) / 3_600_000 }

func showUsage(u series.Usage) usageView {
	v := usageView{
		Key:               u.Key,
		Spaces:            u.Spaces,
		KnownHours:        hours(u.Known),
		OccupiedHours:     hours(u.Occupied),
		PersonHours:       hours(u.Person),
		OpenHours:         hours(u.Open),
		KnownOpenHours:    hours(u.KnownOpen),
		OccupiedOpenHours: hours(u.OccupiedOpen),
		PersonOpenHours:   hours(u.PersonOpen),
	}
	if u.Known > 0 {
		v.Peak = &u.Peak
	}
	if x, ok := u.Utilisation(); ok {
		v.Utilisation = &x
	}
	if x, ok := u.Fill(); ok {
		v.Fill = &x
	}
	return v
}

type occupancyIn struct {
	Tabular
	Period
	Space string `query:"space" required:"true" minLength:"1"`
	Every string `query:"every" default:"1h" doc:"Whole minutes or hours that divide the day, as 15m or 1h; or 1d for local days."`
}

// bucket is a stretch of a space's series, summed.
type bucket struct {
	From     catalogue.Instant `json:"from" format:"date-time"`
	To       catalogue.Instant `json:"to" format:"date-time"`
	Occupied float64           `json:"occupied_seconds"`
	Person   float64           `json:"person_seconds"`
	Peak     *int32            `json:"peak" doc:"Null where nothing is known."`
	Known    float64           `json:"known_seconds" doc:"Unknown is never taken for vacant."`
}

func showBucket(b series.Bucket) bucket {
	v := bucket{
		From:     instant(b.From),
		To:       instant(b.To),
		Occupied: seconds(b.Sum.Occupied),
		Person:   seconds(b.Sum.Person),
		Known:    seconds(b.Sum.Known),
	}
	if b.Sum.Known > 0 {
		v.Peak = &b.Sum.Peak
	}
	return v
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

func (s *server) usage() {
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/usage",
			tagUsage,
			"What was used, by space, kind, building, site or hour of the week; also as CSV.",
			Admin,
			Manager,
		),
		s.usageOf,
	)
	huma.Register(s.api,
		operation("GET", "/v1/occupancy", tagUsage, "A space's series in buckets; also as CSV.", Admin, Manager),
		s.buckets,
	)
}

func (s *server) usageOf(ctx context.Context, in *usageIn) (*pageOut[usageView], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	fits, err := s.scope(ctx, in.Site, in.Kind)
	if err != nil {
		return nil, err
	}
	asOf, err := s.minutesFollow(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Series.Usage(ctx, series.UsageQuery{From: in.From, To: in.To, By: series.By(in.By), Space: fits})
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOfAllAsOf(asOf, in.Tabular, list, showUsage)
}

// scope returns the spaces that a request is about, limited to the caller's
// sites.
func (s *server) scope(ctx context.Context, site, kind string) (func(*catalogue.Space) bool, error) {
	c := callerOf(ctx)
	if err := s.checkSite(site); err != nil {
		return nil, err
	}
	if err := checkKind(kind); err != nil {
		return nil, err
	}
	if site != "" && !c.reaches(catalogue.SiteID(site)) {
		return nil, forbidden("site " + site)
	}
	return func(sp *catalogue.Space) bool {
		return c.reaches(sp.Site) && (site == "" || string(sp.Site) == site) && (kind == "" || string(sp.Kind) == kind)
	}, nil
}

func (s *server) buckets(ctx context.Context, in *occupancyIn) (*pageOut[bucket], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	sp := s.ever.Space(catalogue.SpaceID(in.Space))
	switch {
	case sp == nil:
		return nil, invalid("query", "space", "the catalogue has no such space")
	case !callerOf(ctx).reaches(sp.Site):
		return nil, forbidden("space " + in.Space)
	}
	from, to := occupancy.MinuteOf(in.From), occupancy.MinuteOf(in.To)
	ends, err := s.bucketEnds(from, to, in.Every)
	if err != nil {
		return nil, err
	}
	asOf, err := s.minutesFollow(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Series.Buckets(ctx, sp.ID, from, to, ends)
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOfAllAsOf(asOf, in.Tabular, list, showBucket)
}

// bucketEnds divides [from, to) by the clock: local days, or steps that begin at
// local midnight.
func (s *server) bucketEnds(from, to int64, asked string) ([]int64, error) {
	wrong := func(why string) error { return invalid("query", "every", why) }
	step, err := parseEvery(asked)
	if err != nil {
		return nil, wrong(err.Error())
	}
	if (to-from)/step.shortest() > mostBuckets {
		return nil, wrong(fmt.Sprintf("makes more than %d buckets", mostBuckets))
	}
	zone := s.cfg.Network.Zone
	var out []int64
	for day := zone.At(occupancy.MinuteTime(from)).Day; ; day++ {
		begin, end := occupancy.MinuteOf(zone.Start(day)), occupancy.MinuteOf(zone.Start(day+1))
		if begin >= to {
			return out, nil
		}
		for m := begin + step.minutes; !step.days && m < end; m += step.minutes {
			if m > from && m < to {
				out = append(out, m)
			}
		}
		if end > from && end < to {
			out = append(out, end)
		}
	}
}

// every is the length of buckets: local days, or minutes that divide a day.
type every struct {
	minutes int64
	days    bool
}

// shortest returns the least minutes of one bucket.
func (e every) shortest() int64 {
	if e.days {
		return 23 * 60
	}
	return e.minutes
}

// parseEvery reads 15m, 1h or 1d.
func parseEvery(s string) (every, error) {
	const day = 24 * 60
	if s == "1d" {
		return every{days: true}, nil
	}
	unit := int64(1)
	text, ok := strings.CutSuffix(s, "m")
	if !ok {
		text, ok = strings.CutSuffix(s, "h")
		unit = 60
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || n < 1 || n > day || day%(n*unit) != 0 {
		return every{}, errors.New(
			"must be 1d, or a number of minutes or hours that divides a day evenly, for example 15m or 1h",
		)
	}
	return every{minutes: n * unit}, nil
}
