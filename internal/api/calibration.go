package api

import (
	"cmp"
	"context"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/bills"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/series"
)

type calibrationIn struct {
	Tabular
	Span
	Site       string  `query:"site"`
	Kind       string  `query:"kind"`
	By         string  `query:"by" enum:"space,kind,site" default:"space" doc:"What a CSV's lines are; the JSON has all three."`
	Target     float64 `query:"target" exclusiveMinimum:"0" maximum:"1" doc:"For all kinds; default: the kind's in the settings, else 0.6."`
	Elasticity float64 `query:"elasticity" minimum:"0" maximum:"10" doc:"Likewise, else 0.5."`
	MaxChange  float64 `query:"max_change" minimum:"0" maximum:"1" doc:"Likewise, else 0.1."`
	IndexCap   string  `query:"index_cap" doc:"The ILAT's change, as 0.02: the suggestion is never above. Default: the kind's in the settings, else the change of the settings' ILAT table."`

	asked bills.Calibration
}

// Resolve notes which inputs were given: what is not, the settings say.
func (in *calibrationIn) Resolve(ctx huma.Context) []error {
	for _, p := range []struct {
		name  string
		value *float64
		to    **float64
	}{{"target", &in.Target, &in.asked.Target}, {"elasticity", &in.Elasticity, &in.asked.Elasticity}, {"max_change", &in.MaxChange, &in.asked.MaxChange}} {
		if math.IsNaN(*p.value) { // which no bound refuses
			return []error{&huma.ErrorDetail{Location: "query." + p.name, Message: "is no number"}}
		}
		if ctx.Query(p.name) != "" {
			*p.to = p.value
		}
	}
	if in.IndexCap == "" {
		return nil
	}
	x, err := strconv.ParseFloat(in.IndexCap, 64)
	if err != nil || !(x >= -1 && x <= 1) {
		return []error{&huma.ErrorDetail{Location: "query.index_cap", Message: "is no part like 0.02"}}
	}
	in.asked.IndexCap = &x
	return nil
}

// calibrated is one lettable space with every input of its suggestion (§5).
type calibrated struct {
	Space       catalogue.SpaceID   `json:"space"`
	Site        catalogue.SiteID    `json:"site"`
	Kind        catalogue.SpaceKind `json:"kind"`
	AreaM2      float64             `json:"area_m2"`
	Capacity    int                 `json:"capacity"`
	Status      string              `json:"status" enum:"ok,insufficient-data"`
	Measure     string              `json:"measure" enum:"utilisation,fill"`
	Use         *float64            `json:"use" doc:"u of the formula."`
	Utilisation *float64            `json:"utilisation"`
	Fill        *float64            `json:"fill"`
	OpenHours   float64             `json:"open_hours"`
	KnownOpen   float64             `json:"known_open_hours"`
	KnownShare  float64             `json:"known_share"`
	Target      float64             `json:"target"`
	Elasticity  float64             `json:"elasticity"`
	MaxChange   float64             `json:"max_change"`
	IndexCap    *float64            `json:"index_cap"`
	Rent        int64               `json:"rent_cents_m2_month"`
	Suggested   *int64              `json:"suggested_rent_cents_m2_month" doc:"Null where too little is known."`
	Change      *float64            `json:"change"`
	MedianRent  float64             `json:"kind_median_rent_cents_m2_month" doc:"Of all the network's lettable spaces of the kind."`
	MedianUse   *float64            `json:"kind_median_use" doc:"Of those of which enough is known."`
	Income      int64               `json:"income_cents" doc:"What the rent brings over the reference period: rent × area × months, full."`
	Would       *int64              `json:"suggested_income_cents" doc:"What the suggested one would have brought."`
}

// calibratedGroup sums the lettable spaces of a kind or site.
type calibratedGroup struct {
	Key          string   `json:"key"`
	Spaces       int      `json:"spaces"`
	Insufficient int      `json:"insufficient" doc:"Of them with too little data: they count with the rent they have."`
	AreaM2       float64  `json:"area_m2"`
	MeanRent     float64  `json:"mean_rent_cents_m2_month" doc:"By area."`
	MeanWould    float64  `json:"mean_suggested_rent_cents_m2_month"`
	MedianUse    *float64 `json:"median_use"`
	Income       int64    `json:"income_cents"`
	Would        int64    `json:"suggested_income_cents"`
	Change       *float64 `json:"change"`
}

type indexOut struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	Change float64 `json:"change"`
}

type calibrationBody struct {
	Page[calibrated]
	Kinds  []calibratedGroup `json:"kinds" nullable:"false" doc:"All that was asked for, whatever the page."`
	Sites  []calibratedGroup `json:"sites" nullable:"false"`
	Months float64           `json:"months" doc:"Of the reference period."`
	ILAT   *indexOut         `json:"ilat" doc:"Of the settings' table, at the period's end."`
	by     string
}

func (b calibrationBody) rows() any {
	switch b.by {
	case "kind":
		return b.Kinds
	case "site":
		return b.Sites
	}
	return b.Items
}

func (s *server) calibration(ctx context.Context, in *calibrationIn) (*one[calibrationBody], error) {
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
	// Of the whole network, for its medians.
	list, err := s.cfg.Series.Usage(ctx, series.UsageQuery{From: in.From, To: in.To, By: series.BySpace, Space: func(sp *catalogue.Space) bool { return sp.RentCents > 0 }})
	if err != nil {
		return nil, s.fail(err)
	}
	settings := &s.cfg.Bills.Settings
	var index *float64
	out := &one[calibrationBody]{calibrationBody{by: in.By}}
	if x, ok := settings.IndexAt(in.To.In(s.cfg.Network.Zone.Location())); ok {
		index, out.Body.ILAT = &x.Change, &indexOut{x.From, x.To, x.Change}
	}
	months := billing.Months(s.cfg.Network.Zone, in.From, in.To)
	out.Body.Months, _ = months.Float64()
	rents, uses := map[catalogue.SpaceKind][]float64{}, map[catalogue.SpaceKind][]float64{}
	var shown []calibrated
	for _, u := range list {
		sp := s.cfg.Network.Space(catalogue.SpaceID(u.Key))
		c := s.calibrate(settings.Adjustment(sp.Kind, in.asked, index), sp, u, months)
		rents[sp.Kind] = append(rents[sp.Kind], float64(c.Rent))
		if c.Suggested != nil {
			uses[sp.Kind] = append(uses[sp.Kind], *c.Use)
		}
		if fits(sp) {
			shown = append(shown, c)
		}
	}
	for i := range shown {
		c := &shown[i]
		c.MedianRent = *median(rents[c.Kind])
		c.MedianUse = median(uses[c.Kind])
	}
	out.Body.Kinds = group(shown, func(c *calibrated) string { return string(c.Kind) })
	out.Body.Sites = group(shown, func(c *calibrated) string { return string(c.Site) })
	p, err := numberedAsOf(asOf, in.Tabular, shown, func(c calibrated) calibrated { return c })
	if err == nil {
		out.Body.Page = p.Body
	}
	return out, err
}

func (s *server) calibrate(a billing.Adjustment, sp *catalogue.Space, u series.Usage, months *big.Rat) calibrated {
	v := showUsage(u)
	c := calibrated{Space: sp.ID, Site: sp.Site, Kind: sp.Kind, AreaM2: sp.AreaM2, Capacity: sp.Capacity, Status: "insufficient-data", Measure: "utilisation", Use: v.Utilisation,
		Utilisation: v.Utilisation, Fill: v.Fill, OpenHours: v.OpenHours, KnownOpen: v.KnownOpenHours, Target: a.Target, Elasticity: a.Elasticity, MaxChange: a.MaxChange, IndexCap: a.IndexCap, Rent: int64(sp.RentCents)}
	if sp.Kind.Shared() {
		c.Measure, c.Use = "fill", v.Fill
	}
	if u.Open > 0 {
		c.KnownShare = float64(u.KnownOpen) / float64(u.Open)
	}
	c.Income = billing.Income(c.Rent, sp.AreaM2, months)
	if c.KnownShare >= billing.LeastKnown && c.Use != nil {
		rent := a.Suggest(c.Rent, *c.Use)
		change, would := float64(rent)/float64(c.Rent)-1, billing.Income(rent, sp.AreaM2, months)
		c.Status, c.Suggested, c.Change, c.Would = "ok", &rent, &change, &would
	}
	return c
}

// median is the middle one, or between the two in the middle; nil of none.
func median(list []float64) *float64 {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	m := (list[(len(list)-1)/2] + list[len(list)/2]) / 2
	return &m
}

// group sums spaces by a key, in its order.
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
