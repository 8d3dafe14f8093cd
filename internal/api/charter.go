package api

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/series"
)

// offered is what a site offers of one kind of space.
type offered struct {
	Site        catalogue.SiteID    `json:"site"`
	Kind        catalogue.SpaceKind `json:"kind"`
	Offered     bool                `json:"offered"`
	Spaces      int                 `json:"spaces"`
	Capacity    int                 `json:"capacity"`
	AreaM2      float64             `json:"area_m2"`
	OpenPerWeek float64             `json:"open_hours_per_week"`
	Utilisation *float64            `json:"utilisation" doc:"Over the last four weeks; null where nothing is known."`
}

type charterBody struct {
	Page[offered]
	Missing map[catalogue.SiteID][]catalogue.SpaceKind `json:"missing" doc:"What the charter names and the site does not have."`
}

// charterWeeks is how many weeks the charter's use looks back.
const charterWeeks = 4

func (s *server) charter(ctx context.Context, in *Tabular) (*one[charterBody], error) {
	asOf, err := s.minutesFollow(ctx)
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	var all []offered
	out := &one[charterBody]{}
	out.Body.Missing = map[catalogue.SiteID][]catalogue.SpaceKind{}
	to := s.cfg.Now().Truncate(time.Minute)
	for i := range s.cfg.Network.Sites {
		site := &s.cfg.Network.Sites[i]
		if !c.reaches(site.ID) {
			continue
		}
		used, err := s.cfg.Series.Usage(ctx,
			series.UsageQuery{
				From:  to.AddDate(0, 0, -7*charterWeeks),
				To:    to,
				By:    series.ByKind,
				Space: func(sp *catalogue.Space) bool { return sp.Site == site.ID },
			},
		)
		if err != nil {
			return nil, s.fail(err)
		}
		out.Body.Missing[site.ID] = []catalogue.SpaceKind{}
		for _, kind := range catalogue.SpaceKinds() {
			o := s.offer(site, kind, used)
			if !o.Offered {
				out.Body.Missing[site.ID] = append(out.Body.Missing[site.ID], kind)
			}
			all = append(all, o)
		}
	}
	p, err := pageOfAllAsOf(asOf, *in, all, func(o offered) offered { return o })
	if err == nil {
		out.Body.Page = p.Body
	}
	return out, err
}

func (s *server) offer(site *catalogue.Site, kind catalogue.SpaceKind, used []series.Usage) offered {
	o := offered{Site: site.ID, Kind: kind, OpenPerWeek: weekHours(site.Opening)}
	for _, sp := range s.cfg.Network.Spaces {
		if sp.Site == site.ID && sp.Kind == kind {
			o.Offered, o.Spaces, o.Capacity, o.AreaM2 = true, o.Spaces+1, o.Capacity+sp.Capacity, o.AreaM2+sp.AreaM2
		}
	}
	for _, u := range used {
		if u.Key == string(kind) {
			o.Utilisation = showUsage(u).Utilisation
		}
	}
	return o
}

// weekHours returns the hours that a week without holidays is open; windows that overlap count once.
func weekHours(w catalogue.Week) float64 {
	minutes := 0
	for day := range 7 {
		for m := range 24 * 60 {
			if w.Contains(time.Weekday(day), int32(m*60)) {
				minutes++
			}
		}
	}
	return float64(minutes) / 60
}
