package api

import (
	"context"
	"math"
	"math/big"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/tariff"
)

type calibrationIn struct {
	Tabular
	Period
	Site       string  `query:"site"`
	Kind       string  `query:"kind"`
	By         string  `query:"by" enum:"space,kind,site" default:"space" doc:"What each line of a CSV is; the JSON answer has all three."`
	Target     float64 `query:"target" exclusiveMinimum:"0" maximum:"1" doc:"For all kinds; default: from the billing settings, by kind, else 0.6."`
	Elasticity float64 `query:"elasticity" minimum:"0" maximum:"10" doc:"Likewise, else 0.5."`
	MaxChange  float64 `query:"max_change" minimum:"0" maximum:"1" doc:"Likewise, else 0.1."`
	Floor      int64   `query:"floor" minimum:"0" maximum:"1000000" doc:"Lowest suggestion, in cents per m² and month. Default: from the billing settings, by kind, else none."`
	IndexCap   string  `query:"index_cap" doc:"Change of the ILAT index, as 0.02: the suggestion rises no further. Default: from the billing settings, by kind, else computed from their ILAT table."`

	asked billing.Calibration
}

// Resolve notes which inputs were given; the others come from the billing
// settings.
func (in *calibrationIn) Resolve(ctx huma.Context) []error {
	for _, p := range []struct {
		name  string
		value *float64
		to    **float64
	}{{"target", &in.Target, &in.asked.Target}, {"elasticity", &in.Elasticity, &in.asked.Elasticity}, {"max_change",
		&in.MaxChange, &in.asked.MaxChange}} {
		if math.IsNaN(*p.value) { // no bound refuses NaN: every comparison with it is false
			return []error{&huma.ErrorDetail{Location: "query." + p.name, Message: "is not a number"}}
		}
		if ctx.Query(p.name) != "" {
			*p.to = p.value
		}
	}
	if ctx.Query("floor") != "" {
		in.asked.Floor = &in.Floor
	}
	if in.IndexCap == "" {
		return nil
	}
	x, err := strconv.ParseFloat(in.IndexCap, 64)
	if err != nil || !(x >= -1 && x <= 1) {
		return []error{&huma.ErrorDetail{Location: "query.index_cap", Message: "is not a fraction like 0.02"}}
	}
	in.asked.IndexCap = &x
	return nil
}

// calibrated is one lettable space, with every figure from which its suggested
// rent is computed (rules 10.3).
type calibrated struct {
	Space       catalogue.SpaceID   `json:"space"`
	Site        catalogue.SiteID    `json:"site"`
	Kind        catalogue.SpaceKind `json:"kind"`
	AreaM2      float64             `json:"area_m2"`
	Capacity    int                 `json:"capacity"`
	Status      string              `json:"status" enum:"ok,insufficient-data,not-let,revised" doc:"revised: the rent changed less than a year ago; insufficient-data and not-let suggest nothing."`
	Revised     *string             `json:"revised" format:"date" doc:"The day of its last revision, where that is less than a year back."`
	LetDays     *int                `json:"let_days" doc:"Of an office: how many days it was let; only these count. Null: every day counts."`
	Measure     string              `json:"measure" enum:"utilisation,fill"`
	Use         *float64            `json:"use" doc:"The use that the formula takes: utilisation or fill."`
	Utilisation *float64            `json:"utilisation"`
	Fill        *float64            `json:"fill"`
	OpenHours   float64             `json:"open_hours"`
	KnownOpen   float64             `json:"known_open_hours"`
	KnownShare  float64             `json:"known_share"`
	Target      float64             `json:"target"`
	Elasticity  float64             `json:"elasticity"`
	MaxChange   float64             `json:"max_change"`
	IndexCap    *float64            `json:"index_cap"`
	Floor       *int64              `json:"floor" doc:"In cents per m² and month."`
	Rent        int64               `json:"rent_cents_m2_month" doc:"Its rent today."`
	LeasesRent  int64               `json:"leases_rent_cents_month" doc:"What its leases pay a month today; of a lease of several spaces its part by area."`
	Factor      *float64            `json:"factor" doc:"The formula's factor, before any bound; null where nothing is suggested."`
	Bound       *string             `json:"bound" enum:"none,max_change,rounding,index_cap,floor" doc:"What decided the suggestion."`
	Suggested   *int64              `json:"suggested_rent_cents_m2_month" doc:"Null where nothing is suggested."`
	Change      *float64            `json:"change"`
	MedianRent  float64             `json:"kind_median_rent_cents_m2_month" doc:"Median rent of all lettable spaces of this kind in the network."`
	MedianUse   *float64            `json:"kind_median_use" doc:"Median use of these spaces, of those with enough data."`
	Income      int64               `json:"income_cents" doc:"What the rents of the reference period bring: rent × area × months, if let all the time."`
	Would       *int64              `json:"suggested_income_cents" doc:"What the suggested rent would have brought."`
}

// calibratedGroup sums the lettable spaces of a kind or site.
type calibratedGroup struct {
	Key          string   `json:"key"`
	Spaces       int      `json:"spaces"`
	Insufficient int      `json:"insufficient" doc:"How many have too little data; they count with the rent they have."`
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
	Kinds  []calibratedGroup `json:"kinds" nullable:"false" doc:"Sums by kind over all spaces asked for, not only this page."`
	Sites  []calibratedGroup `json:"sites" nullable:"false"`
	Months float64           `json:"months" doc:"Length of the reference period in months."`
	ILAT   *indexOut         `json:"ilat" doc:"The index of the billing settings at the end of the period."`
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
	rents, err := s.rents(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	today := s.today()
	let := s.letDays(in.From, in.To)
	// The medians need the whole network; a space counts for the time in which
	// it was the same kind as now.
	list, err := s.cfg.Series.Usage(ctx, series.UsageQuery{From: in.From, To: in.To, By: series.BySpace,
		Space: func(sp *catalogue.Space) bool {
			is := s.cfg.Network.Space(sp.ID)
			return is != nil && is.Kind == sp.Kind && rents.On(sp.ID, today) > 0
		},
		Counts: func(sp *catalogue.Space, day catalogue.Day) bool { return !sp.Kind.Office() || let[sp.ID][day] },
	})
	if err != nil {
		return nil, s.fail(err)
	}
	settings := &s.cfg.Bills.Settings
	var index *float64
	out := &one[calibrationBody]{calibrationBody{by: in.By}}
	if x, ok := settings.IndexAt(in.To.In(s.cfg.Network.Zone.Location())); ok {
		index, out.Body.ILAT = &x.Change, &indexOut{x.From, x.To, x.Change}
	}
	months := new(big.Rat)
	for _, p := range catalogue.Pieces(s.cfg.Series.History, in.From, in.To) {
		months.Add(months, tariff.Months(p.Network.Zone, p.From, p.To))
	}
	out.Body.Months, _ = months.Float64()
	of, uses := map[catalogue.SpaceKind][]float64{}, map[catalogue.SpaceKind][]float64{}
	var shown []calibrated
	for _, u := range list {
		sp := s.cfg.Network.Space(catalogue.SpaceID(u.Key))
		c := s.calibrate(settings.Adjustment(sp.Kind, in.asked, index), sp, u, calibrating{in.From, in.To, today, rents, let})
		of[sp.Kind] = append(of[sp.Kind], float64(c.Rent))
		if c.Suggested != nil {
			uses[sp.Kind] = append(uses[sp.Kind], *c.Use)
		}
		if fits(sp) {
			shown = append(shown, c)
		}
	}
	for i := range shown {
		c := &shown[i]
		c.MedianRent = *median(of[c.Kind])
		c.MedianUse = median(uses[c.Kind])
	}
	out.Body.Kinds = group(shown, func(c *calibrated) string { return string(c.Kind) })
	out.Body.Sites = group(shown, func(c *calibrated) string { return string(c.Site) })
	p, err := pageOfAllAsOf(asOf, in.Tabular, shown, func(c calibrated) calibrated { return c })
	if err == nil {
		out.Body.Page = p.Body
	}
	return out, err
}
