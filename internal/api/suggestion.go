package api

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// calibrating holds what the suggestions of one answer share.
type calibrating struct {
	from, to time.Time
	today    catalogue.Day
	rents    tariff.Rents
	let      map[catalogue.SpaceID]map[catalogue.Day]bool
}

func (s *server) calibrate(a tariff.Adjustment, sp *catalogue.Space, u series.Usage, q calibrating) calibrated {
	v := showUsage(u)
	c := calibrated{
		Space:       sp.ID,
		Site:        sp.Site,
		Kind:        sp.Kind,
		AreaM2:      sp.AreaM2,
		Capacity:    sp.Capacity,
		Status:      "insufficient-data",
		Measure:     "utilisation",
		Use:         v.Utilisation,
		Utilisation: v.Utilisation,
		Fill:        v.Fill,
		OpenHours:   v.OpenHours,
		KnownOpen:   v.KnownOpenHours,
		Target:      a.Target,
		Elasticity:  a.Elasticity,
		MaxChange:   a.MaxChange,
		IndexCap:    a.IndexCap,
		Floor:       a.Floor,
		Rent:        q.rents.On(sp.ID, q.today),
		LeasesRent:  s.leasesRent(sp, q.today),
	}
	if sp.Kind.Shared() {
		c.Measure, c.Use = "fill", v.Fill
	}
	if u.Open > 0 {
		c.KnownShare = float64(u.KnownOpen) / float64(u.Open)
	}
	if sp.Kind.Office() {
		days := len(q.let[sp.ID])
		if c.LetDays = &days; days == 0 {
			c.Status = "not-let"
		}
	}
	c.Income = s.income(sp.ID, q, func(day catalogue.Day) int64 { return q.rents.On(sp.ID, day) })
	if from, ok := q.rents.RevisedOn(sp.ID, q.today); ok && from > yearBefore(q.today) {
		text := from.String()
		c.Revised = &text
	}
	if c.Status != "not-let" && c.KnownShare >= tariff.LeastKnown && c.Use != nil {
		is := a.Suggest(c.Rent, *c.Use)
		change, would, bound := float64(is.Rent)/float64(c.Rent)-1, s.income(sp.ID,
			q,
			func(catalogue.Day) int64 { return is.Rent },
		), string(is.Bound)
		c.Status, c.Suggested, c.Change, c.Would, c.Factor, c.Bound = "ok", &is.Rent, &change, &would, &is.Factor, &bound
		if c.Revised != nil {
			c.Status = "revised"
		}
	}
	return c
}

// yearBefore returns the day a year before another.
func yearBefore(d catalogue.Day) catalogue.Day {
	t := time.Unix(int64(d)*86400, 0).UTC().AddDate(-1, 0, 0)
	return catalogue.Date(t.Year(), t.Month(), t.Day())
}

// income returns what a space's rent brings over the reference period, by its
// area at the time.
func (s *server) income(id catalogue.SpaceID, q calibrating, rent func(catalogue.Day) int64) int64 {
	var sum tariff.Income
	for _, p := range catalogue.Pieces(s.cfg.Series.History, q.from, q.to) {
		sp, zone := p.Network.Space(id), p.Network.Zone
		if sp == nil {
			continue
		}
		begin, first, last := p.From, zone.At(p.From).Day, zone.At(p.To).Day
		for _, day := range append(q.rents.Since(id, first, last), last+1) {
			end := zone.Start(day)
			if end.After(p.To) {
				end = p.To
			}
			sum.Add(rent(zone.At(begin).Day), sp.AreaM2, tariff.Months(zone, begin, end))
			begin = end
		}
	}
	return sum.Cents()
}

// letDays returns the local days of a period on which each space was let, as
// one of a lease's own spaces.
func (s *server) letDays(from, to time.Time) map[catalogue.SpaceID]map[catalogue.Day]bool {
	zone := s.cfg.Network.Zone
	first, last := zone.At(from).Day, zone.At(to.Add(-time.Millisecond)).Day
	days := map[catalogue.SpaceID]map[catalogue.Day]bool{}
	for _, t := range s.cfg.Rights.InForce().Book.AllLeaseTerms() {
		versions := tenancy.LeaseVersions(t)
		for i, v := range versions {
			if v.Value == nil {
				continue
			}
			begin, end := max(first, v.From, v.Value.StartsOn), last
			if v.Value.EndsOn != nil {
				end = min(end, *v.Value.EndsOn)
			}
			if i+1 < len(versions) {
				end = min(end, versions[i+1].From-1)
			}
			for _, id := range v.Value.Spaces {
				for day := begin; day <= end; day++ {
					if days[id] == nil {
						days[id] = map[catalogue.Day]bool{}
					}
					days[id][day] = true
				}
			}
		}
	}
	return days
}

// leasesRent returns what the leases of a space pay a month; a lease of several
// spaces is divided by area.
func (s *server) leasesRent(sp *catalogue.Space, today catalogue.Day) int64 {
	var sum float64
	for _, t := range s.cfg.Rights.InForce().Book.AllLeaseTerms() {
		l := tenancy.LeaseOn(t, today)
		if l == nil || l.StartsOn > today || l.EndsOn != nil && *l.EndsOn < today || !slices.Contains(l.Spaces, sp.ID) {
			continue
		}
		var area float64
		for _, id := range l.Spaces {
			if of := s.cfg.Network.Space(id); of != nil {
				area += of.AreaM2
			}
		}
		sum += float64(l.RentCentsMonth) * sp.AreaM2 / area
	}
	return int64(math.Round(sum))
}

// median returns the middle value, or the mean of the two in the middle; nil of
// none.
func median(list []float64) *float64 {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	m := (list[(len(list)-1)/2] + list[len(list)/2]) / 2
	return &m
}

// group sums spaces by a key, in the key's order.
func group(list []calibrated, key func(*calibrated) string) []calibratedGroup {
	groups := map[string]*calibratedGroup{}
	uses := map[string][]float64{}
	for i := range list {
		c, k := &list[i], key(&list[i])
		if groups[k] == nil {
			groups[k] = &calibratedGroup{Key: k}
		}
		g := groups[k]
		rent, would := c.Rent, c.Income
		if c.Suggested == nil {
			g.Insufficient++
		} else {
			rent, would = *c.Suggested, *c.Would
			uses[k] = append(uses[k], *c.Use)
		}
		g.Spaces, g.AreaM2, g.Income, g.Would = g.Spaces+1, g.AreaM2+c.AreaM2, g.Income+c.Income, g.Would+would
		g.MeanRent += float64(c.Rent) * c.AreaM2
		g.MeanWould += float64(rent) * c.AreaM2
	}
	out := []calibratedGroup{}
	for k, g := range groups {
		g.MeanRent, g.MeanWould, g.MedianUse = g.MeanRent/g.AreaM2, g.MeanWould/g.AreaM2, median(uses[k])
		if g.Income > 0 {
			change := float64(g.Would)/float64(g.Income) - 1
			g.Change = &change
		}
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b calibratedGroup) int { return cmp.Compare(a.Key, b.Key) })
	return out
}
