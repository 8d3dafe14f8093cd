package billing_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// pass is one badge of a random month.
type pass struct {
	id      uuid.UUID
	at      time.Time
	device  catalogue.DeviceID
	granted bool
}

// The doors of the plain reading: whether a read shows its badger in the coworking before it, and after.
var doorsOfMonth = map[catalogue.DeviceID]struct{ before, after bool }{
	"metz-entrance-in": {
		false,
		false,
	},
	"metz-entrance-out":  {false, false},
	"metz-coworking-in":  {false, true},
	"metz-coworking-out": {true, false},
}

// The months of 2026 in which clocks change, and the day on which they do.
var clocksChange = map[time.Month]int{time.March: 29, time.October: 25}

// aMonth draws the badges of somebody's month: days and nights, over both
// sides of the change of clocks, some badges missing, some refused.
func aMonth(rng *rand.Rand, m time.Month, zone *time.Location) []pass {
	var list []pass
	missed := []int{2, 4, 20}[rng.IntN(3)]
	badge := func(at time.Time, device catalogue.DeviceID, granted bool) {
		if rng.IntN(missed) > 0 || !granted {
			list = append(list,
				pass{
					uuid.Must(uuid.NewRandomFromReader(&apptest.BytesOf{Rng: rng})),
					at.UTC().Truncate(time.Millisecond), device, granted,
				},
			)
		}
	}
	for day := 1; day <= 31; day++ {
		if rng.IntN(3) == 0 && day != clocksChange[m] {
			continue
		}
		at := time.Date(2026, m, day, rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(1000)*1e6, zone)
		pause := func(most time.Duration) { at = at.Add(time.Duration(rng.Int64N(int64(most)))) }
		badge(at, "metz-entrance-in", true)
		for range 1 + rng.IntN(3) {
			pause(20 * time.Minute)
			if rng.IntN(5) == 0 {
				badge(at, "metz-coworking-in", false)
				pause(time.Minute)
			}
			badge(at, "metz-coworking-in", true)
			pause(9 * time.Hour)
			badge(at, "metz-coworking-out", true)
		}
		pause(20 * time.Minute)
		badge(at, "metz-entrance-out", true)
	}
	// The month's edges are the statement's own business.
	from, to := time.Date(2026, m, 1, 0, 0, 0, 0, zone), time.Date(2026, m+1, 1, 0, 0, 0, 0, zone)
	return slices.DeleteFunc(list, func(p pass) bool { return p.at.Before(from) || p.at.After(to.Add(17*time.Hour)) })
}

// plainVisits reads rules 5.1 to 5.4 one after the other.
func plainVisits(list []pass, zone *time.Location) []spell {
	list = slices.DeleteFunc(slices.Clone(list), func(p pass) bool { return !p.granted })
	slices.SortFunc(list, func(a, b pass) int {
		if !a.at.Equal(b.at) {
			return a.at.Compare(b.at)
		}
		return slices.Compare(a.id[:], b.id[:])
	})
	var out []spell
	for i := 0; i < len(list); {
		if !doorsOfMonth[list[i].device].after {
			i++
			continue
		}
		from := list[i].at
		l := from.In(zone)
		limit := time.Date(l.Year(), l.Month(), l.Day()+1, 0, 0, 0, 0, zone)
		if closing := time.Date(
			l.Year(),
			l.Month(),
			l.Day(),
			20,
			0,
			0,
			0,
			zone,
		); l.Weekday() != time.Saturday && l.Weekday() != time.Sunday &&
			closing.After(from) {
			limit = closing
		}
		if longest := from.Add(16 * time.Hour); longest.Before(limit) {
			limit = longest
		}
		shown := i + 1
		for shown < len(list) && doorsOfMonth[list[shown].device].before && doorsOfMonth[list[shown].device].after {
			shown++
		}
		v := spell{From: from, To: limit, Inferred: true}
		if shown < len(list) {
			r := list[shown]
			switch {
			case r.device == "metz-coworking-out" && !r.at.After(from.Add(16*time.Hour)):
				v = spell{From: from, To: r.at, Badged: true}
			case !r.at.After(limit):
				v = spell{From: from, To: r.at}
			}
		}
		out = append(out, v)
		i = shown
	}
	return out
}

// reckoned is what a month comes to, in seconds, minutes and cents.
type reckoned struct {
	Measured, Inferred, Billable int64
	Net, Vat                     int64
}

// plainMonth prices visits under plans: the second holds from the day change on.
func plainMonth(
	visits []spell,
	l tenancy.Lease,
	plans [2]tenancy.Plan,
	change int,
	m time.Month,
	zone *time.Location,
) reckoned {
	var out reckoned
	type part struct{ days, minutes int64 }
	type price struct {
		included, rate int
		vat            float64
	}
	parts := map[price]*part{}
	for day := 1; day <= 31; day++ {
		begin, end := time.Date(2026, m, day, 0, 0, 0, 0, zone), time.Date(2026, m, day+1, 0, 0, 0, 0, zone)
		plan := plans[0]
		if day >= change {
			plan = plans[1]
		}
		covered := catalogue.Date(2026, m, day) >= l.StartsOn &&
			(l.EndsOn == nil || catalogue.Date(2026, m, day) <= *l.EndsOn)
		var measured, badged, billed time.Duration
		for _, v := range visits {
			within := func(from, to time.Time) time.Duration {
				if from.Before(begin) {
					from = begin
				}
				if to.After(end) {
					to = end
				}
				return max(0, to.Sub(from))
			}
			measured += within(v.From, v.To)
			if v.Badged {
				badged += within(v.From, v.To)
			}
			to := v.To
			if limit := v.From.Add(
				time.Duration(plan.InferredCapMinutes) * time.Minute,
			); covered && v.Inferred && plan.InferredCapMinutes > 0 &&
				limit.Before(to) {
				to = limit
			}
			billed += within(v.From, to)
		}
		out.Measured += int64(measured / time.Second)
		out.Inferred += int64((measured - badged) / time.Second)
		if !covered {
			continue
		}
		p := price{plan.IncludedMinutes, plan.HourlyRateCents, plan.VatPct}
		if parts[p] == nil {
			parts[p] = &part{}
		}
		parts[p].days++
		seconds, minutes := int64(billed/time.Second), int64(0)
		if seconds > 0 && seconds >= int64(plan.GraceMinutes)*60 {
			for minutes*60 < seconds {
				minutes += int64(max(1, plan.RoundingMinutes))
			}
			if plan.DailyCapMinutes > 0 {
				minutes = min(minutes, int64(plan.DailyCapMinutes))
			}
		}
		parts[p].minutes += minutes
		out.Billable += minutes
	}
	halfUp := func(r *big.Rat) int64 {
		f, _ := new(big.Float).SetPrec(200).SetRat(new(big.Rat).Add(r, big.NewRat(1, 2))).Int64()
		return f
	}
	rent, over := new(big.Rat), new(big.Rat)
	byVat := map[float64]*big.Rat{}
	for p, x := range parts {
		r := big.NewRat(int64(l.RentCentsMonth)*x.days, 31)
		more := new(big.Rat).Sub(big.NewRat(x.minutes, 1), big.NewRat(int64(p.included)*x.days, 31))
		if more.Sign() < 0 {
			more = new(big.Rat)
		}
		cost := more.Mul(more, big.NewRat(int64(p.rate), 60))
		rent.Add(rent, r)
		over.Add(over, cost)
		if byVat[p.vat] == nil {
			byVat[p.vat] = new(big.Rat)
		}
		byVat[p.vat].Add(byVat[p.vat], r).Add(byVat[p.vat], cost)
	}
	out.Net = halfUp(rent) + halfUp(over)
	tax := new(big.Rat)
	for vat, base := range byVat {
		if len(byVat) == 1 {
			base = big.NewRat(out.Net, 1)
		}
		tax.Add(tax, new(big.Rat).Mul(base, big.NewRat(int64(vat*10), 1000)))
	}
	out.Vat = halfUp(tax)
	return out
}

// TestRandomMonthsAgreeWithAPlainReading sends whole months of badges through
// the service, in any order and partly twice, and reads hours and statements back.
func TestRandomMonthsAgreeWithAPlainReading(t *testing.T) {
	months := 30
	if testing.Short() {
		months = 5
	}
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	a, now := apptest.StartAt(t, time.Date(2026, 3, 1, 0, 0, 0, 0, zone))
	c := apptest.ClientOf(t, a)
	total := reckoned{}
	for i := range months {
		seed, m := uint64(time.Now().UnixNano()), []time.Month{time.March, time.October}[i%2]
		name := fmt.Sprintf("2026-%02d", m)
		rng := rand.New(rand.NewPCG(seed, 1))
		pick := func(of ...int) int { return of[rng.IntN(len(of))] }
		plan := func() tenancy.Plan {
			return tenancy.Plan{
				ID:                 tenancy.PlanID(fmt.Sprintf("p%d", i)),
				Name:               "P",
				Includes:           []catalogue.SpaceKind{catalogue.Coworking},
				Schedule:           tenancy.Always,
				IncludedMinutes:    pick(0, 601, 3000),
				HourlyRateCents:    pick(0, 250, 333),
				RoundingMinutes:    pick(0, 1, 15, 60),
				GraceMinutes:       pick(0, 5, 90),
				DailyCapMinutes:    pick(0, 240),
				InferredCapMinutes: pick(0, 30, 600),
				VatPct:             []float64{20, 5.5}[rng.IntN(2)],
			}
		}
		plans, second := [2]tenancy.Plan{plan(), plan()}, 2+rng.IntN(30)
		id := fmt.Sprintf("t%d", i)
		l := tenancy.Lease{
			ID:             tenancy.LeaseID(id),
			Tenant:         tenancy.TenantID(id),
			Site:           "metz",
			Plan:           plans[0].ID,
			StartsOn:       catalogue.Date(2026, m, pick(1, 1, 7)),
			Status:         tenancy.Active,
			RentCentsMonth: pick(0, 10_001, 55_555),
		}
		if rng.IntN(3) == 0 {
			end := catalogue.Date(2026, m, 20+rng.IntN(11))
			l.EndsOn = &end
		}
		uid := fmt.Sprintf("04%06X", i+1)
		now.Set(time.Date(2026, m, 1, 9, 0, 0, 0, zone))
		if err := a.Rights.Apply(
			t.Context(),
			"test",
			apptest.Change(tenancy.Tenant{ID: l.Tenant, Name: "T", Site: "metz", Kind: "company"}),
			apptest.Change(tenancy.Member{ID: tenancy.MemberID(id), Tenant: l.Tenant, Name: "M"}),
			apptest.Credential(t, a.Keys, id, tenancy.MemberID(id), uid),
			apptest.Change(plans[0]),
			apptest.Change(l),
		); err != nil {
			t.Fatal(err)
		}
		now.Set(time.Date(2026, m, second, 9, 0, 0, 0, zone))
		if err := a.Rights.Apply(t.Context(), "test", apptest.Change(plans[1])); err != nil {
			t.Fatal(err)
		}
		now.Set(time.Date(2026, m+1, 5, 9, 0, 0, 0, zone))
		passes := aMonth(rng, m, zone)
		var messages []apptest.Sent
		for _, p := range passes {
			m := apptest.Sent{
				Topic: apptest.BadgeTopic(p.device),
				Payload: fmt.Appendf(nil,
					`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":%t,"reason":"lease","list":"1"}}`,
					p.id,
					wire.FormatTime(p.at),
					uid,
					p.granted,
				),
			}
			for range 1 + rng.IntN(10)/9 {
				messages = append(messages, m)
			}
		}
		rng.Shuffle(len(messages), func(i, k int) { messages[i], messages[k] = messages[k], messages[i] })
		apptest.Publish(t, a, messages)

		want := plainMonth(plainVisits(passes, zone), l, plans, second, m, zone)
		var hours struct {
			Items []struct {
				Measured int64 `json:"measured_seconds"`
				Inferred int64 `json:"inferred_seconds"`
				Billable int64 `json:"billable_minutes"`
			}
		}
		apptest.Get(t, c, "/v1/hours?by=day&limit=1000&month="+name+"&tenant="+id, 200, &hours)
		var got reckoned
		for _, d := range hours.Items {
			got.Measured, got.Inferred, got.Billable = got.Measured+d.Measured, got.Inferred+d.Inferred, got.Billable+d.Billable
		}
		c.Must("POST", "/v1/statements", `{"month":"`+name+`","tenant":"`+id+`"}`)
		var page struct{ Items []statement }
		apptest.Get(t, c, "/v1/statements?tenant="+id, 200, &page)
		if len(page.Items) == 1 {
			got.Net, got.Vat = page.Items[0].Net, page.Items[0].Vat
		}
		if got != want {
			t.Errorf("%s, seed %d: %+v, plainly %+v (plans %+v, the second from %d on)", name, seed, got, want, plans, second)
		}
		total.Measured, total.Inferred, total.Net = total.Measured+want.Measured, total.Inferred+want.Inferred,
			total.Net+want.Net
	}
	if total.Inferred == 0 || total.Net == 0 || total.Inferred == total.Measured {
		t.Errorf("the months tell nothing: %+v", total)
	}
}

type spell struct {
	From, To time.Time
	Inferred bool // by closing or after sixteen hours
	Badged   bool
}
