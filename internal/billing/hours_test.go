package billing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// office is a ledger to which things happen, and what its bills say at any moment.
type office struct {
	*rapid.T
	ledger   *ledger.Ledger
	bills    billing.Bills
	clock    time.Time
	recorded int // terms
	visits   []uuid.UUID
}

var members = []tenancy.MemberID{"ann", "bob", "cyd"}

func (o *office) write(change func(*ledger.Tx) error) {
	if err := o.ledger.Write(context.Background(), change); err != nil {
		o.Fatal(err)
	}
}

// at returns an instant around the end of October, when clocks change too.
func (o *office) at() time.Time {
	start := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	return start.Add(time.Duration(rapid.IntRange(0, 20*24*6).Draw(o.T, "at")) * 10 * time.Minute)
}

func (o *office) comeAndGo() {
	from := o.at()
	to := from.Add(48 * time.Hour)
	var list []ledger.Visit
	for range rapid.IntRange(0, 3).Draw(o.T, "visits") {
		begin := from.Add(time.Duration(rapid.IntRange(0, 47*6).Draw(o.T, "begin")) * 10 * time.Minute)
		v := ledger.Visit{
			ID:     uuid.UUID([]byte(rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 16, 16, 16).Draw(o.T, "id"))),
			Tenant: rapid.SampledFrom([]tenancy.TenantID{"t", "u"}).Draw(o.T, "tenant"),
			Space:  "cowork",
			From:   begin,
			To:     begin.Add(time.Duration(rapid.IntRange(1, 96).Draw(o.T, "long")) * 10 * time.Minute),
			Ended:  rapid.SampledFrom([]visit.Ended{visit.Badge, visit.Closing}).Draw(o.T, "ended"),
		}
		list = append(list, v)
		o.visits = append(o.visits, v.ID)
	}
	o.write(func(tx *ledger.Tx) error {
		return tx.ReplaceVisits(rapid.SampledFrom(members).Draw(o.T, "member"), from, to, list)
	})
}

func (o *office) correct() {
	if len(o.visits) == 0 {
		return
	}
	id, from := rapid.SampledFrom(o.visits).Draw(o.T, "visit"), o.at()
	o.write(func(tx *ledger.Tx) error {
		if rapid.Bool().Draw(o.T, "undo") {
			_ = tx.DeleteCorrection(id) // it may have none
			return nil
		}
		err := tx.PutCorrection(id,
			ledger.Correction{From: from, To: from.Add(time.Hour), Reason: "r", Author: "a", At: o.clock},
		)
		if errors.Is(err, ledger.ErrNotFound) { // it was replaced meanwhile
			return nil
		}
		return err
	})
}

func (o *office) rent() {
	kind := rapid.SampledFrom([]string{"plan", "lease"}).Draw(o.T, "kind")
	body := fmt.Sprintf(
		`{"id":"p","includes":["coworking"],"hourly_rate_cents":100,"rounding_minutes":%d}`,
		rapid.SampledFrom([]int{1, 15, 60}).Draw(o.T, "rounding"),
	)
	if kind == "lease" {
		body = fmt.Sprintf(
			`{"id":"l","tenant":%q,"site":"metz","plan":"p","starts_on":"2026-10-%d","members":%s}`,
			rapid.SampledFrom([]string{"t", "u"}).Draw(o.T, "tenant"),
			rapid.IntRange(10, 31).Draw(o.T, "starts"),
			rapid.SampledFrom([]string{"null", `["ann"]`, `["bob","cyd"]`}).Draw(o.T, "members"),
		)
	}
	day := catalogue.Date(2026, 10, rapid.IntRange(15, 40).Draw(o.T, "day"))
	o.write(func(tx *ledger.Tx) error {
		o.recorded++
		t := ledger.Terms{Kind: kind, ID: kind[:1], N: o.recorded, From: day, Body: []byte(body), At: o.clock}
		if kind == "lease" && rapid.IntRange(0, 4).Draw(o.T, "delete") == 0 {
			t.Body = nil
		}
		var taken []int // some are taken back by the new one, as what was made on the same day is
		if o.recorded > 2 && rapid.IntRange(0, 3).Draw(o.T, "taken") == 0 {
			taken = append(taken, o.recorded-1)
		}
		return tx.PutTerms(t, taken)
	})
}

func (o *office) erase() {
	o.write(func(tx *ledger.Tx) error {
		return tx.Erase(ledger.Erasure{Actor: "a", At: o.clock, Member: "cyd", Keep: []catalogue.SpaceID{"cowork"}})
	})
}

// check compares the kept hours with what all visits come to now.
func (o *office) check() {
	terms, err := o.bills.Tariff(context.Background())
	if err != nil {
		o.Fatal(err)
	}
	for _, m := range []tariff.Month{{Year: 2026, Month: 10}, {Year: 2026, Month: 11}} {
		first, last := m.Days()
		visits, err := o.bills.Visits(context.Background(), first, last, ledger.VisitFilter{})
		if err != nil {
			o.Fatal(err)
		}
		byPerson := map[tariff.Person][]tariff.Visit{}
		for _, v := range visits {
			who := tariff.Person{Tenant: v.Tenant, Member: v.Member}
			byPerson[who] = append(byPerson[who], v)
		}
		want := map[tariff.Person][]tariff.Day{}
		for who, list := range byPerson {
			if days := terms.Days(o.bills.Network.Zone, first, last, list); len(days) > 0 {
				want[who] = days
			}
		}
		got, err := o.bills.Hours(context.Background(), m, "")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			o.Fatalf("%s: %v (-made now +kept)\n%s", m, err, diff)
		}
	}
}

func TestKeptHoursAreThoseOfAllVisits(t *testing.T) {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	n := catalogue.New(
		catalogue.Network{
			Name:      "n",
			Zone:      zone,
			Sites:     []catalogue.Site{{ID: "metz"}},
			Buildings: []catalogue.Building{{ID: "b", Site: "metz"}},
			Spaces:    []catalogue.Space{{ID: "cowork", Building: "b", Kind: catalogue.Coworking}},
		},
	)
	rapid.Check(t, func(rt *rapid.T) {
		l, err := ledger.Open(context.Background(), t.TempDir())
		if err != nil {
			rt.Fatal(err)
		}
		defer l.Close()
		o := &office{T: rt, ledger: l, clock: time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)}
		o.bills = billing.Bills{Network: n, Ledger: l, Now: func() time.Time { return o.clock }}
		// A lease's plan is there before it.
		o.write(func(tx *ledger.Tx) error {
			o.recorded++
			return tx.PutTerms(
				ledger.Terms{Kind: "plan", ID: "p", N: 1, Body: []byte(`{"id":"p","includes":["coworking"]}`), At: o.clock},
				nil,
			)
		})
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			rapid.SampledFrom(
				[]func(){o.comeAndGo, o.comeAndGo, o.correct, o.rent, o.erase, func() { o.clock = o.clock.Add(7 * time.Hour) }},
			).Draw(rt, "step")()
			o.check()
		}
	})
}
