package presence_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

// TestVisitsDoNotDependOnTheOrderInWhichReadsCome lets reads arrive one after
// the other: asked in their time, late and in disorder, and overturned by what
// their reader did. The visits are those of all of them, each time.
func TestVisitsDoNotDependOnTheOrderInWhichReadsCome(t *testing.T) {
	people := 60
	if testing.Short() {
		people = 15
	}
	zone := time.UTC
	begin := time.Date(2026, 10, 1, 9, 0, 0, 0, zone)
	a, now := apptest.StartAt(t, begin)
	apptest.Priced(t, a)
	devices := []catalogue.DeviceID{
		"metz-entrance-in",
		"metz-entrance-out",
		"metz-coworking-in",
		"metz-coworking-out",
		"metz-coworking-silence-in",
		"metz-coworking-silence-out",
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for n := range people {
		member, uid := tenancy.MemberID(fmt.Sprintf("m%d", n)), fmt.Sprintf("04AA%04X", n)
		now.Set(begin)
		if err := a.Rights.Apply(
			t.Context(),
			"test",
			apptest.Change(tenancy.Member{ID: member, Tenant: "atelier", Name: "M"}),
			apptest.Credential(t, a.Keys, string(member), member, uid),
			apptest.Change(
				tenancy.Lease{
					ID:       tenancy.LeaseID(member),
					Tenant:   "atelier",
					Site:     "metz",
					Plan:     "cowork",
					StartsOn: catalogue.Date(2020, 1, 1),
					Status:   tenancy.Active,
					Members:  []tenancy.MemberID{member},
				},
			),
		); err != nil {
			t.Fatal(err)
		}
		at := begin.Add(22 * time.Hour)
		var moves []visit.Read
		var late []apptest.Sent
		for range 12 {
			at = at.Add([]time.Duration{20 * time.Minute, time.Hour, 3 * time.Hour, 9 * time.Hour, 17 * time.Hour}[rng.IntN(5)])
			d := a.Network.Device(devices[rng.IntN(len(devices))])
			id := uuid.Must(uuid.NewRandomFromReader(&apptest.BytesOf{Rng: rng}))
			badge := func(offline string) apptest.Sent {
				return apptest.Sent{
					Topic:   apptest.BadgeTopic(d.ID),
					Payload: fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":%q%s}`, id, wire.FormatTime(at), uid, offline),
				}
			}
			did := func(granted bool) apptest.Sent {
				return badge(fmt.Sprintf(`,"offline":{"granted":%t,"reason":"lease","list":"1"}`, granted))
			}
			moved := rng.IntN(4) > 0
			switch rng.IntN(3) {
			case 0: // the reader was away
				late = append(late, did(moved))
			case 1: // it asked, and did by itself what it liked
				now.Set(at)
				apptest.Publish(t, a, []apptest.Sent{badge("")})
				late = append(late, did(moved))
			default:
				now.Set(at)
				apptest.Publish(t, a, []apptest.Sent{badge("")})
				moved = true
			}
			if moved {
				moves = append(moves, visit.Read{ID: id, At: at, Door: d.Door, Direction: d.Direction})
			}
		}
		now.Set(at.Add(20 * time.Hour))
		rng.Shuffle(len(late), func(i, k int) { late[i], late[k] = late[k], late[i] })
		for _, m := range late {
			apptest.Publish(t, a, []apptest.Sent{m})
			if rng.IntN(2) == 0 {
				if _, err := a.Presence.CaughtUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := a.Presence.CaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := a.Ledger.Visits(t.Context(), ledger.VisitFilter{Member: member, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, v := range list {
			got = append(got, fmt.Sprint(v.Space, v.From.UTC(), v.To.UTC(), v.Ended))
		}
		for _, v := range visit.Make(visit.NewPlaces(a.Catalogues), moves) {
			want = append(want, fmt.Sprint(v.Space, v.From.UTC(), v.To.UTC(), v.Ended))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("seed %d, %s:\n%q\nall reads at once make\n%q", seed, member, got, want)
		}
	}
}
