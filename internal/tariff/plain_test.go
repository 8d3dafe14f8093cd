package tariff_test

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// grid is the step of the plain reading's time.
const grid = 20 * time.Second

func network(t interface{ Fatal(...any) }) *catalogue.Network {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return catalogue.New(catalogue.Network{
		Name:      "n",
		Zone:      zone,
		Sites:     []catalogue.Site{{ID: "metz"}, {ID: "nancy"}},
		Buildings: []catalogue.Building{{ID: "b", Site: "metz"}, {ID: "c", Site: "nancy"}},
		Spaces: []catalogue.Space{
			{ID: "cowork", Building: "b", Kind: catalogue.Coworking},
			{ID: "silence", Building: "b", Kind: catalogue.Coworking, Parent: "cowork"},
			{
				ID:       "meeting",
				Building: "b",
				Kind:     catalogue.MeetingRoom,
				Parent:   "cowork",
			},
			{ID: "far", Building: "c", Kind: catalogue.Coworking},
		},
	})
}

func drawPlan(t *rapid.T, id tenancy.PlanID) *tenancy.Plan {
	return &tenancy.Plan{
		ID: id,
		Includes: rapid.SampledFrom(
			[][]catalogue.SpaceKind{{catalogue.Coworking}, {catalogue.MeetingRoom}, {}},
		).Draw(t, "includes"),
		Roaming:            rapid.Bool().Draw(t, "roaming"),
		IncludedMinutes:    rapid.SampledFrom([]int{0, 100, 601}).Draw(t, "included"),
		HourlyRateCents:    rapid.SampledFrom([]int{0, 250, 333}).Draw(t, "rate"),
		RoundingMinutes:    rapid.SampledFrom([]int{0, 1, 15, 60}).Draw(t, "rounding"),
		GraceMinutes:       rapid.SampledFrom([]int{0, 5}).Draw(t, "grace"),
		DailyCapMinutes:    rapid.SampledFrom([]int{0, 240}).Draw(t, "cap"),
		InferredCapMinutes: rapid.SampledFrom([]int{0, 30, 600}).Draw(t, "inferred"),
		VatPct:             rapid.SampledFrom([]float64{20, 5.5}).Draw(t, "vat"),
	}
}

// past returns a history as it was recorded, change by change.
func past[T any](changes ...tenancy.Change[T]) (h tenancy.Terms[T]) {
	for _, c := range changes {
		h = h.Put(c, nil)
	}
	return h
}

// world is leases and plans with their versions, and visits around the change
// of clocks on 25 October 2026.
type world struct {
	n      *catalogue.Network
	leases tariff.Leases
	plans  tariff.Plans
	visits []tariff.Visit
}

func drawWorld(t *rapid.T) world {
	w := world{n: network(t), leases: tariff.Leases{}, plans: tariff.Plans{}}
	for _, id := range []tenancy.PlanID{"p1", "p2"} {
		w.plans[id] = past(tenancy.Change[tenancy.Plan]{Value: drawPlan(t, id)})
		if rapid.Bool().Draw(t, "changes") {
			w.plans[id] = w.plans[id].Put(
				tenancy.Change[tenancy.Plan]{
					From:  catalogue.Date(2026, 10, rapid.IntRange(20, 28).Draw(t, "on")),
					Value: drawPlan(t, id),
				},
				nil,
			)
		}
	}
	for _, id := range []tenancy.LeaseID{"a", "b", "c"} {
		l := &tenancy.Lease{
			ID:             id,
			Tenant:         "t",
			Site:           "metz",
			Plan:           rapid.SampledFrom([]tenancy.PlanID{"p1", "p2"}).Draw(t, "plan"),
			StartsOn:       catalogue.Date(2026, 10, rapid.IntRange(1, 25).Draw(t, "starts")),
			Spaces:         rapid.SampledFrom([][]catalogue.SpaceID{{}, {"silence"}, {"cowork", "far"}}).Draw(t, "spaces"),
			RentCentsMonth: rapid.SampledFrom([]int{0, 10_001}).Draw(t, "rent"),
			Members:        rapid.SampledFrom([][]tenancy.MemberID{nil, {"ann"}, {"bob"}}).Draw(t, "members"),
		}
		if rapid.Bool().Draw(t, "ends") {
			end := catalogue.Date(2026, 10, rapid.IntRange(25, 31).Draw(t, "end"))
			l.EndsOn = &end
		}
		w.leases[id] = past(tenancy.Change[tenancy.Lease]{Value: l})
		if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
			w.leases[id] = w.leases[id].Put(tenancy.Change[tenancy.Lease]{From: catalogue.Date(2026, 10, 27)}, nil)
		}
	}
	start := w.n.Zone.Start(catalogue.Date(2026, 10, 23))
	for range rapid.IntRange(0, 8).Draw(t, "visits") {
		at := func() time.Time { return start.Add(time.Duration(rapid.IntRange(0, 4*24*180).Draw(t, "at")) * grid) }
		from := at()
		v := tariff.Visit{
			Member: rapid.SampledFrom([]tenancy.MemberID{"ann", "bob"}).Draw(t, "member"),
			Tenant: "t",
			Space:  rapid.SampledFrom([]catalogue.SpaceID{"cowork", "silence", "meeting", "far"}).Draw(t, "space"),
			From:   from,
			To:     from.Add(time.Duration(rapid.IntRange(0, 16*180).Draw(t, "long")) * grid),
			Ended:  rapid.SampledFrom([]visit.Ended{visit.Badge, visit.Elsewhere, visit.Closing, visit.Max}).Draw(t, "ended"),
		}
		if rapid.IntRange(0, 4).Draw(t, "corrected") == 0 {
			c := from.Add(time.Duration(rapid.IntRange(-180, 180).Draw(t, "shift")) * grid)
			v.Corrected = &catalogue.Interval{From: c, To: c.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "length")) * grid)}
		}
		w.visits = append(w.visits, v)
	}
	return w
}

// terms returns the plain reading of which lease, as it is on a day, gives a member a space.
func (w *world) terms(
	day catalogue.Day,
	m tenancy.MemberID,
	space catalogue.SpaceID,
) (best *tenancy.Lease, plan *tenancy.Plan) {
	for _, id := range []tenancy.LeaseID{"a", "b", "c"} {
		var l *tenancy.Lease
		for _, v := range w.leases[id].Versions() {
			if v.From <= day {
				l = v.Value
			}
		}
		if l == nil || day < l.StartsOn || l.EndsOn != nil && day > *l.EndsOn ||
			l.Members != nil && !slices.Contains(l.Members, m) {
			continue
		}
		var p *tenancy.Plan
		for _, v := range w.plans[l.Plan].Versions() {
			if v.From <= day {
				p = v.Value
			}
		}
		sp := w.n.Space(space)
		if gives := slices.Contains(l.Spaces, space) ||
			slices.Contains(p.Includes, sp.Kind) && (p.Roaming || sp.Site == "metz"); gives &&
			(best == nil || p.HourlyRateCents < plan.HourlyRateCents) {
			best, plan = l, p
		}
	}
	return best, plan
}

func TestHoursAndAmountsAgreeWithAPlainReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		terms := tariff.New(catalogue.Always(w.n), w.leases, w.plans)
		m := tariff.Month{Year: 2026, Month: time.October}
		first, last := m.Days()
		minutes := map[tenancy.LeaseID]map[catalogue.Day]int64{"a": {}, "b": {}, "c": {}}
		for _, member := range []tenancy.MemberID{"ann", "bob"} {
			byDay := map[catalogue.Day]tariff.Day{}
			own := slices.DeleteFunc(slices.Clone(w.visits), func(v tariff.Visit) bool { return v.Member != member })
			for _, d := range terms.Days(w.n.Zone, first, last, own) {
				byDay[d.Day] = d
			}
			for day := catalogue.Date(2026, 10, 22); day <= catalogue.Date(2026, 10, 29); day++ {
				want, byLease := w.plainDay(day, member)
				d := byDay[day]
				if d.Measured != want.Measured || d.Corrected != want.Corrected || d.Unleased != want.Unleased ||
					d.Inferred != want.Inferred {
					t.Fatalf("%s on %s: %+v, plainly %+v", member, day, d, want)
				}
				for _, s := range d.Leases {
					if s.Seconds != byLease[s.Lease] {
						t.Fatalf("%s on %s, lease %s: %d s, plainly %d", member, day, s.Lease, s.Seconds, byLease[s.Lease])
					}
					delete(byLease, s.Lease)
					minutes[s.Lease][day] += s.Minutes
					x, _ := terms.Terms(s.Lease, day)
					if want := plainBillable(x.Plan, s.Seconds); s.Minutes != want {
						t.Fatalf("%d s under %+v: %d minutes, plainly %d", s.Seconds, x.Plan, s.Minutes, want)
					}
				}
				if len(byLease) > 0 {
					t.Fatalf("%s on %s: forgotten %v", member, day, byLease)
				}
			}
		}
		for id := range minutes {
			a, _ := terms.Amounts(id, m, minutes[id])
			if net, vat := w.plainAmounts(id,
				first,
				last,
				minutes[id],
			); len(w.plans["p1"].Changes())+len(w.plans["p2"].Changes()) == 2 &&
				(a.Net != net || a.Vat != vat) {
				t.Fatalf("lease %s: %+v, plainly %d and %d", id, a, net, vat)
			}
		}
	})
}

// plainDay looks at every step of the day by itself.
func (w *world) plainDay(day catalogue.Day, m tenancy.MemberID) (d tariff.Day, byLease map[tenancy.LeaseID]int64) {
	byLease = map[tenancy.LeaseID]int64{}
	step := int64(grid / time.Second)
	for at := w.n.Zone.Start(day); at.Before(w.n.Zone.Start(day + 1)); at = at.Add(grid) {
		var measured, inferred, corrected, billed bool
		var best *tenancy.Lease
		rate := 0
		in := func(from, to time.Time) bool { return !at.Before(from) && at.Before(to) }
		asCorrected := func(v tariff.Visit) (from, to time.Time) {
			if v.Corrected != nil {
				return v.Corrected.From, v.Corrected.To
			}
			return v.From, v.To
		}
		for _, v := range w.visits {
			if v.Member != m || v.Space != "cowork" && v.Space != "far" {
				continue
			}
			measured = measured || in(v.From, v.To)
			inferred = inferred || in(v.From, v.To) && v.Ended != visit.Badge
			if !in(asCorrected(v)) {
				continue
			}
			corrected = true
			l, p := w.terms(day, m, v.Space)
			for _, x := range w.visits {
				if x.Member == m && v.Space == "cowork" && x.Space == "silence" && in(asCorrected(x)) {
					if il, ip := w.terms(day, m, "silence"); il != nil {
						l, p = il, ip
					}
				}
			}
			if p != nil && v.Corrected == nil && (v.Ended == visit.Closing || v.Ended == visit.Max) &&
				p.InferredCapMinutes > 0 &&
				!at.Before(v.From.Add(time.Duration(p.InferredCapMinutes)*time.Minute)) {
				continue
			}
			billed = true
			if l != nil && (best == nil || p.HourlyRateCents < rate || p.HourlyRateCents == rate && l.ID < best.ID) {
				best, rate = l, p.HourlyRateCents
			}
		}
		add := func(yes bool, to *int64) {
			if yes {
				*to += step
			}
		}
		add(measured, &d.Measured)
		add(corrected, &d.Corrected)
		add(inferred, &d.Inferred)
		add(billed && best == nil, &d.Unleased)
		if best != nil {
			byLease[best.ID] += step
		}
	}
	return d, byLease
}

func plainBillable(p *tenancy.Plan, seconds int64) int64 {
	if seconds == 0 || seconds < int64(p.GraceMinutes)*60 {
		return 0
	}
	minutes := int64(0)
	for minutes*60 < seconds {
		minutes += int64(max(1, p.RoundingMinutes))
	}
	if p.DailyCapMinutes > 0 && minutes > int64(p.DailyCapMinutes) {
		return int64(p.DailyCapMinutes)
	}
	return minutes
}

// plainAmounts returns the formula of rules 7.1 for a plan that does not change.
func (w *world) plainAmounts(
	id tenancy.LeaseID,
	first, last catalogue.Day,
	minutes map[catalogue.Day]int64,
) (net, vat int64) {
	days, used := int64(0), int64(0)
	l := w.leases[id].Changes()[0].Value
	for day := first; day <= last; day++ {
		gone := len(w.leases[id].Changes()) > 1 && day >= w.leases[id].Changes()[1].From
		if !gone && day >= l.StartsOn && (l.EndsOn == nil || day <= *l.EndsOn) {
			days++
			used += minutes[day]
		}
	}
	p := w.plans[l.Plan].Changes()[0].Value
	length := int64(last - first + 1)
	// In 60ths of a cent's 31st: whole numbers throughout.
	over := max(0, used*length-int64(p.IncludedMinutes)*days) * int64(p.HourlyRateCents)
	net = (2*over+60*length)/(2*60*length) + (2*int64(l.RentCentsMonth)*days+length)/(2*length)
	tenths, _ := new(big.Float).SetFloat64(p.VatPct * 10).Int64()
	return net, (2*net*tenths + 1000) / 2000
}

func TestAPlanThatChangesWithinTheMonthIsPricedInParts(t *testing.T) {
	day := func(d int) catalogue.Day { return catalogue.Date(2026, 10, d) }
	l := &tenancy.Lease{ID: "l", Tenant: "t", Plan: "p", StartsOn: day(1)}
	terms := tariff.New(
		catalogue.Always(network(t)),
		tariff.Leases{"l": past(tenancy.Change[tenancy.Lease]{Value: l})},
		tariff.Plans{
			"p": past(
				tenancy.Change[tenancy.Plan]{Value: &tenancy.Plan{ID: "p", IncludedMinutes: 620, HourlyRateCents: 300, VatPct: 20}},
				tenancy.Change[tenancy.Plan]{
					From:  day(17),
					Value: &tenancy.Plan{ID: "p", IncludedMinutes: 31, HourlyRateCents: 600, VatPct: 20},
				},
			),
		},
	)
	a, _ := terms.Amounts(
		"l",
		tariff.Month{Year: 2026, Month: time.October},
		map[catalogue.Day]int64{day(5): 120, day(20): 120},
	)
	// 16 days of 620 minutes a month are 320, of which 120 are used; 15 days of 31 are 15: 105 minutes at 6 € an hour.
	if a.Minutes != 240 || a.Included != 335 || a.Over != 105 || a.Overage != 1050 || len(a.Parts) != 2 ||
		a.Parts[1] != (tariff.Part{From: day(17), Days: 15, Minutes: 120, Included: 15, Over: 105, HourlyCents: 600,
			VatPct: 20}) {
		t.Errorf("%+v", a)
	}
}

func TestRentsAreRoundedTowardsThePresentOneAndNeverAboveTheCap(t *testing.T) {
	index := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		rent int64
		use  float64
		cap  *float64
		want int64
	}{
		{1150, 0.6, nil, 1150}, {1150, 1, nil, 1260}, {1150, 0, nil, 1040}, {1150, 0.66, nil, 1200}, {1150, 0.61, nil,
			1150}, {1150, 0.59, nil, 1150},
		{1155, 0.601, nil, 1155}, {1155, 0.599, nil, 1155}, {1150, 1, index(0.02), 1170}, {1150, 1, index(0), 1150}, {1150,
			1, index(-0.02), 1120}, {1150, 0, index(0.02), 1040},
		{1150, 0.5748, index(-0.02), 1120}, {1155, 1, index(0.002), 1155}, {1155, 1, index(0), 1155}, {1155, 0.599,
			index(-0.001), 1150}, {1200, 0.6, index(0.0166), 1200},
	} {
		a := tariff.Adjustment{
			Target:     tariff.DefaultTarget,
			Elasticity: tariff.DefaultElasticity,
			MaxChange:  tariff.DefaultMaxChange,
			IndexCap:   c.cap,
		}
		if got := a.Suggest(c.rent, c.use).Rent; got != c.want {
			t.Errorf("rent %d, use %g, cap %v: %d, want %d", c.rent, c.use, c.cap, got, c.want)
		}
	}
}

func TestASuggestionSaysWhatDecidedIt(t *testing.T) {
	index := func(x float64) *float64 { return &x }
	floor := func(x int64) *int64 { return &x }
	for _, c := range []struct {
		rent   int64
		use    float64
		cap    *float64
		floor  *int64
		want   int64
		factor float64
		bound  tariff.Bound
	}{
		{1000, 0.6, nil, nil, 1000, 1, tariff.NoBound}, {1000, 0.66, nil, nil, 1050, 1.05, tariff.NoBound}, {1150, 0.66,
			nil, nil, 1200, 1.05, tariff.ByRounding},
		{1000, 1, nil, nil, 1100, 4.0 / 3, tariff.ByMaxChange}, {1150, 1, nil, nil, 1260, 4.0 / 3, tariff.ByMaxChange},
		{1000, 0.66, index(0.02), nil, 1020, 1.05, tariff.ByIndexCap},
		{1000, 0, nil, floor(950), 950, 0.5, tariff.ByFloor}, {1000, 0.66, index(0.02), floor(1100), 1100, 1.05,
			tariff.ByFloor}, {1000, 0.66, nil, floor(1050), 1050, 1.05, tariff.NoBound},
	} {
		a := tariff.Adjustment{
			Target:     tariff.DefaultTarget,
			Elasticity: tariff.DefaultElasticity,
			MaxChange:  tariff.DefaultMaxChange,
			IndexCap:   c.cap,
			Floor:      c.floor,
		}
		got := a.Suggest(c.rent, c.use)
		if got.Rent != c.want || got.Bound != c.bound || math.Abs(got.Factor-c.factor) > 1e-12 {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// The later recorded of a catalogue and a revision holds, from its day on.
func TestTheRentThatWasRecordedLastHolds(t *testing.T) {
	zone := network(t).Zone
	day := func(month time.Month, d int) catalogue.Day { return catalogue.Date(2026, month, d) }
	at := func(month time.Month, d int) time.Time { return zone.Start(day(month, d)).Add(10 * time.Hour) }
	with := func(rent, other int) *catalogue.Network {
		return catalogue.New(
			catalogue.Network{
				Name:      "n",
				Zone:      zone,
				Sites:     []catalogue.Site{{ID: "metz"}},
				Buildings: []catalogue.Building{{ID: "b", Site: "metz"}},
				Spaces:    []catalogue.Space{{ID: "a", Building: "b", RentCents: rent}, {ID: "z", Building: "b", RentCents: other}},
			},
		)
	}
	c := catalogue.Unchanged(with(1000, 500))
	put := func(month time.Month, d int, n *catalogue.Network) {
		change, err := c.Put(at(month, d), at(month, d), n)
		if err != nil {
			t.Fatal(err)
		}
		c = change.After
	}
	put(time.March, 1, with(1100, 500)) // a's rent
	put(time.May, 1, with(1100, 550))   // z's alone
	rents := tariff.RentsOf(c.Told, []tariff.Revision{
		{Space: "a", From: day(time.April, 1), Rent: tariff.Rent{Cents: 1200, By: "ada"}, At: at(time.April, 10)},
		{Space: "a", From: day(time.September, 1), Rent: tariff.Rent{Cents: 1300}, At: at(time.June, 1)},
		{
			Space: "z",
			From:  day(time.February, 1),
			Rent:  tariff.Rent{Cents: 510},
			At:    at(time.June, 2),
		}, // told late: May's is gone by it
	})
	for _, w := range []struct {
		space catalogue.SpaceID
		day   catalogue.Day
		cents int64
	}{
		{"a", day(time.January, 1), 1000}, {"a", day(time.February, 28), 1000}, {"a", day(time.March, 1), 1100}, {"a", day(time.March, 31), 1100}, {"a", day(time.April, 1), 1200},
		{"a", day(time.May, 2), 1200}, {"a", day(time.August, 31), 1200}, {"a", day(time.September, 1), 1300}, {"z", day(time.January, 31), 500}, {"z", day(time.February, 1), 510}, {"z", day(time.June, 1), 510},
	} {
		if got := rents.On(w.space, w.day); got != w.cents {
			t.Errorf("%s on %s: %d, want %d", w.space, w.day, got, w.cents)
		}
	}
	if from, ok := rents.RevisedOn("a", day(time.August, 1)); !ok || from != day(time.April, 1) {
		t.Errorf("revised on %s, %t", from, ok)
	}
	if _, ok := rents.RevisedOn("a", day(time.January, 1)); ok {
		t.Error("revised before it was")
	}
}

func TestIncomeOverMonthsOfAnyLength(t *testing.T) {
	zone := network(t).Zone
	at := func(s string) time.Time {
		x, err := time.ParseInLocation("2006-01-02 15:04", s, zone.Location())
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, c := range []struct {
		from, to string
		months   *big.Rat
		income   int64 // of 12.5 m² at 11.50 €
	}{
		{"2026-10-01 00:00", "2026-11-01 00:00", big.NewRat(1, 1), 14_375},
		{"2026-10-25 00:00", "2026-10-26 00:00", big.NewRat(1, 31), 464}, // 25 hours are a day
		{"2026-10-25 00:00", "2026-10-25 12:00", big.NewRat(13, 25*31), 241},
		{"2026-01-31 00:00", "2026-03-01 00:00", big.NewRat(32, 31), 14_839},
		{"2025-11-01 00:00", "2026-11-01 00:00", big.NewRat(12, 1), 172_500},
	} {
		got := tariff.Months(zone, at(c.from), at(c.to))
		var income tariff.Income
		income.Add(1150, 12.5, got)
		if got.Cmp(c.months) != 0 || income.Cents() != c.income {
			t.Errorf("%s to %s: %s months, %d cents", c.from, c.to, got, income.Cents())
		}
	}
}

// Who steps into a booth is still at the coworking that it lies below: one
// forgotten exit is one, and is capped once.
func TestWhatLiesBelowACoworkingIsThatCoworking(t *testing.T) {
	day := catalogue.Date(2026, 10, 6)
	n := network(t)
	at := func(hour, minute int) time.Time {
		return n.Zone.Start(day).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	lease1 := func(id tenancy.LeaseID, plan tenancy.PlanID) tenancy.Terms[tenancy.Lease] {
		return past(
			tenancy.Change[tenancy.Lease]{
				Value: &tenancy.Lease{ID: id, Tenant: "t", Site: "metz", Plan: plan, StartsOn: day - 30},
			},
		)
	}
	plan := func(p tenancy.Plan) tenancy.Terms[tenancy.Plan] { return past(tenancy.Change[tenancy.Plan]{Value: &p}) }
	terms := tariff.New(catalogue.Always(n), tariff.Leases{"a": lease1("a", "a"), "b": lease1("b", "b")}, tariff.Plans{
		"a": plan(
			tenancy.Plan{
				ID:                 "a",
				Includes:           []catalogue.SpaceKind{catalogue.Coworking},
				HourlyRateCents:    300,
				DailyCapMinutes:    480,
				InferredCapMinutes: 120,
			},
		),
		"b": plan(
			tenancy.Plan{
				ID:              "b",
				Includes:        []catalogue.SpaceKind{catalogue.Coworking, catalogue.MeetingRoom},
				HourlyRateCents: 500,
			},
		),
	})
	visits := []tariff.Visit{
		{Member: "ann", Tenant: "t", Space: "cowork", From: at(9, 0), To: at(20, 0), Ended: visit.Closing},
		{Member: "ann", Tenant: "t", Space: "meeting", From: at(9, 30), To: at(20, 0), Ended: visit.Closing}}
	d := terms.Day(n.Zone, day, visits)
	if d.Measured != 11*3600 || len(d.Leases) != 1 ||
		d.Leases[0] != (tariff.Share{Lease: "a", Seconds: 7200, Minutes: 120}) {
		t.Errorf("%+v", d)
	}
	if got := terms.Counted(n.Zone, day, &visits[0], visits); len(got) != 1 ||
		got[0] != (tariff.Counted{Interval: catalogue.Interval{From: at(9, 0), To: at(11, 0)}, Lease: "a"}) {
		t.Errorf("counted %v", got)
	}
	if got := terms.Counted(n.Zone, day, &visits[1], visits); len(got) != 0 {
		t.Errorf("the booth counts %v", got)
	}
}

// A quiet room within the coworking that another lease gives parts the visit
// between the two: the explanation tells both, as the bill does.
func TestAVisitThatTwoLeasesShareIsToldInParts(t *testing.T) {
	day := catalogue.Date(2026, 10, 6)
	n := network(t)
	at := func(hour, minute int) time.Time {
		return n.Zone.Start(day).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	given := func(id tenancy.LeaseID, space catalogue.SpaceID) tenancy.Terms[tenancy.Lease] {
		return past(
			tenancy.Change[tenancy.Lease]{
				Value: &tenancy.Lease{
					ID:       id,
					Tenant:   "t",
					Site:     "metz",
					Plan:     "p",
					Spaces:   []catalogue.SpaceID{space},
					StartsOn: day - 30,
				},
			},
		)
	}
	terms := tariff.New(catalogue.Always(n), tariff.Leases{"a": given("a", "cowork"), "b": given("b", "silence")},
		tariff.Plans{"p": past(tenancy.Change[tenancy.Plan]{Value: &tenancy.Plan{ID: "p", HourlyRateCents: 300}})})
	visits := []tariff.Visit{
		{Member: "ann", Tenant: "t", Space: "cowork", From: at(8, 0), To: at(11, 0), Ended: visit.Badge},
		{Member: "ann", Tenant: "t", Space: "silence", From: at(10, 0), To: at(10, 40), Ended: visit.Badge}}
	want := []tariff.Counted{
		{Interval: catalogue.Interval{From: at(8, 0), To: at(10, 0)}, Lease: "a"},
		{Interval: catalogue.Interval{From: at(10, 0), To: at(10, 40)}, Lease: "b"},
		{Interval: catalogue.Interval{From: at(10, 40), To: at(11, 0)}, Lease: "a"},
	}
	if got := terms.Counted(n.Zone, day, &visits[0], visits); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	seconds := map[tenancy.LeaseID]int64{}
	for _, s := range terms.Day(n.Zone, day, visits).Leases {
		seconds[s.Lease] = s.Seconds
	}
	if seconds["a"] != 140*60 || seconds["b"] != 40*60 {
		t.Errorf("billed %v", seconds)
	}
}

func TestEachRateOfVATHasItsBase(t *testing.T) {
	day := func(d int) catalogue.Day { return catalogue.Date(2026, 11, d) }
	terms := tariff.New(
		catalogue.Always(network(t)),
		tariff.Leases{
			"l": past(
				tenancy.Change[tenancy.Lease]{
					Value: &tenancy.Lease{ID: "l", Tenant: "t", Plan: "p", StartsOn: day(1), RentCentsMonth: 30_000},
				},
			),
		},
		tariff.Plans{
			"p": past(
				tenancy.Change[tenancy.Plan]{Value: &tenancy.Plan{ID: "p", VatPct: 20}},
				tenancy.Change[tenancy.Plan]{From: day(25), Value: &tenancy.Plan{ID: "p", VatPct: 5.5}},
			),
		},
	)
	a, _ := terms.Amounts("l", tariff.Month{Year: 2026, Month: time.November}, nil)
	want := []tariff.Taxed{{VatPct: 20, NetCents: 24_000, VatCents: 4800}, {VatPct: 5.5, NetCents: 6000, VatCents: 330}}
	if !slices.Equal(a.ByRate, want) || a.Net != 30_000 || a.Vat != 5130 {
		t.Errorf("%+v", a)
	}
}
