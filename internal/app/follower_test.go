package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

// clock is what a service takes for now.
type clock struct{ atomic.Pointer[time.Time] }

func (c *clock) set(at time.Time) { c.Store(&at) }

// startAt starts a service whose clock a test sets.
func startAt(t *testing.T, now time.Time) (*App, *clock) {
	t.Helper()
	c := &clock{}
	c.set(now)
	a, err := Start(
		t.Context(),
		testConfig(t),
		Options{Log: discard(), Anonymous: true, Now: func() time.Time { return *c.Load() }},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopApp(t, a) })
	return a, c
}

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
	a, now := startAt(t, begin)
	priced(t, a)
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
		now.set(begin)
		if err := a.Rights.Apply(
			t.Context(),
			"test",
			change(tenancy.Member{ID: member, Tenant: "atelier", Name: "M"}),
			credential(t, a.Keys, string(member), member, uid),
			change(
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
		var late []sent
		for range 12 {
			at = at.Add([]time.Duration{20 * time.Minute, time.Hour, 3 * time.Hour, 9 * time.Hour, 17 * time.Hour}[rng.IntN(5)])
			d := a.Network.Device(devices[rng.IntN(len(devices))])
			id := uuid.Must(uuid.NewRandomFromReader(&bytesOf{rng}))
			badge := func(offline string) sent {
				return sent{
					topic:   badgeTopic(d.ID),
					payload: fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":%q%s}`, id, wire.FormatTime(at), uid, offline),
				}
			}
			did := func(granted bool) sent {
				return badge(fmt.Sprintf(`,"offline":{"granted":%t,"reason":"lease","list":"1"}`, granted))
			}
			moved := rng.IntN(4) > 0
			switch rng.IntN(3) {
			case 0: // the reader was away
				late = append(late, did(moved))
			case 1: // it asked, and did by itself what it liked
				now.set(at)
				publish(t, a, []sent{badge("")})
				late = append(late, did(moved))
			default:
				now.set(at)
				publish(t, a, []sent{badge("")})
				moved = true
			}
			if moved {
				moves = append(moves, visit.Read{ID: id, At: at, Door: d.Door, Direction: d.Direction})
			}
		}
		now.set(at.Add(20 * time.Hour))
		rng.Shuffle(len(late), func(i, k int) { late[i], late[k] = late[k], late[i] })
		for _, m := range late {
			publish(t, a, []sent{m})
			if rng.IntN(2) == 0 {
				if _, err := a.follower.CaughtUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := a.follower.CaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := a.ledger.Visits(t.Context(), ledger.VisitFilter{Member: member, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, v := range list {
			got = append(got, fmt.Sprint(v.Space, v.From.UTC(), v.To.UTC(), v.Ended))
		}
		for _, v := range visit.Make(visit.NewPlaces(a.catalogues), moves) {
			want = append(want, fmt.Sprint(v.Space, v.From.UTC(), v.To.UTC(), v.Ended))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("seed %d, %s:\n%q\nall reads at once make\n%q", seed, member, got, want)
		}
	}
}
