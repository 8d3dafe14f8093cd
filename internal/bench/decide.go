package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// The size of the world in which decisions are measured.
const (
	worldBadges = 10_000
	worldDoors  = 500
	worldLeases = 1_000
	worldSites  = 4
)

// worldNetwork returns 500 doors at four sites, each space behind a hall.
func worldNetwork() (*catalogue.Network, error) {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		return nil, err
	}
	n := catalogue.Network{Name: "bench", Zone: zone}
	week := catalogue.Week{{Days: []catalogue.Weekday{1, 2, 3, 4, 5}, From: 8 * 60, To: 20 * 60}}
	for s := range worldSites {
		site := catalogue.SiteID(fmt.Sprintf("site-%d", s))
		building := catalogue.BuildingID(site) + "-b"
		n.Sites = append(n.Sites, catalogue.Site{ID: site, Name: "Site", Holidays: catalogue.Moselle, Opening: week})
		n.Buildings = append(n.Buildings, catalogue.Building{ID: building, Site: site, Name: "B"})
		hall := catalogue.SpaceID(site) + "-hall"
		n.Spaces = append(n.Spaces, catalogue.Space{ID: hall, Building: building, Kind: catalogue.Common, Capacity: 100})
		n.Doors = append(n.Doors, catalogue.Door{ID: catalogue.DoorID(hall) + "-door", From: catalogue.Outside, To: hall})
		for i := 1; i < worldDoors/worldSites; i++ {
			id := catalogue.SpaceID(fmt.Sprintf("%s-%d", site, i))
			kind := catalogue.PrivateOffice
			if i%10 == 0 {
				kind = catalogue.Coworking
			}
			n.Spaces = append(n.Spaces, catalogue.Space{ID: id, Building: building, Kind: kind, Parent: hall, Capacity: 10})
			n.Doors = append(n.Doors, catalogue.Door{ID: catalogue.DoorID(id) + "-door", From: hall, To: id})
		}
	}
	return catalogue.New(n), nil
}

// worldBook returns 10,000 badges of 10,000 members of 1,000 tenants with a lease each.
func worldBook(n *catalogue.Network) (*tenancy.Book, error) {
	b := tenancy.NewBook(n)
	hours := tenancy.Schedule{
		ID:       "hours",
		Windows:  catalogue.Week{{Days: []catalogue.Weekday{1, 2, 3, 4, 5}, From: 7 * 60, To: 21 * 60}},
		Holidays: tenancy.ClosedOnHolidays,
	}
	if err := b.PutSchedule(hours); err != nil {
		return nil, err
	}
	plan := tenancy.Plan{ID: "plan", Name: "Plan", Includes: []catalogue.SpaceKind{catalogue.Coworking}, Schedule: "hours"}
	if err := b.PutPlan(plan); err != nil {
		return nil, err
	}
	for i := range worldLeases {
		site := n.Sites[i%len(n.Sites)].ID
		t := tenancy.Tenant{ID: tenancy.TenantID(fmt.Sprintf("tenant-%d", i)), Name: "T", Site: site, Kind: tenancy.Company}
		if err := b.PutTenant(t); err != nil {
			return nil, err
		}
		l := tenancy.Lease{
			ID:     tenancy.LeaseID(fmt.Sprintf("lease-%d", i)),
			Tenant: t.ID,
			Site:   site,
			Plan:   "plan",
			Status: tenancy.Active,
			Spaces: []catalogue.SpaceID{
				catalogue.SpaceID(fmt.Sprintf("%s-%d", site, 1+i%120)),
			},
			StartsOn: catalogue.Date(2020, 1, 1),
		}
		if err := b.PutLease(l); err != nil {
			return nil, err
		}
	}
	for i := range worldBadges {
		m := tenancy.Member{
			ID:     tenancy.MemberID(fmt.Sprintf("member-%d", i)),
			Tenant: tenancy.TenantID(fmt.Sprintf("tenant-%d", i%worldLeases)),
			Name:   "M",
		}
		if err := b.PutMember(m); err != nil {
			return nil, err
		}
		c := tenancy.Credential{
			ID:      tenancy.CredentialID(fmt.Sprintf("card-%d", i)),
			Member:  m.ID,
			Kind:    tenancy.Card,
			Status:  tenancy.Active,
			Lookup:  worldHash(i),
			ForList: worldHash(i),
		}
		if err := b.PutCredential(c); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func worldHash(i int) (h tenancy.CredentialHash) {
	binary.LittleEndian.PutUint64(h[:], uint64(i+1)*0x9e3779b97f4a7c15)
	return h
}

// World is the measured world, compiled.
type World struct {
	Network  *catalogue.Network
	Book     *tenancy.Book
	Compiler *access.Compiler
	Index    *access.Index
	asked    []access.Question
}

// NewWorld returns the world, with questions at many doors over a week.
func NewWorld() (*World, error) {
	n, err := worldNetwork()
	if err != nil {
		return nil, err
	}
	book, err := worldBook(n)
	if err != nil {
		return nil, err
	}
	w := &World{Network: n, Book: book, Compiler: access.NewCompiler(n)}
	w.Index = w.Compiler.Compile(book, nil)
	monday := time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC)
	for i := range 1 << 14 {
		at := monday.Add(time.Duration(i*7919%(7*24*3600)) * time.Second)
		w.asked = append(w.asked,
			access.Question{
				Credential: worldHash(i * 31 % worldBadges),
				Door:       n.Doors[i*17%len(n.Doors)].ID,
				Direction:  catalogue.In,
				At:         at,
				Received:   at,
			},
		)
	}
	return w, nil
}

// Decide decides the i-th of the world's questions, and reports whether it is
// granted.
func (w *World) Decide(i int) bool {
	return w.Index.Decide(w.asked[i&(len(w.asked)-1)], nil).Granted
}

// decide measures the index beside the bare look-ups that any decision needs.
func decide(context.Context, *env) ([]Row, error) {
	w, err := NewWorld()
	if err != nil {
		return nil, err
	}
	byHash := map[tenancy.CredentialHash]int{}
	for i := range worldBadges {
		byHash[worldHash(i)] = i
	}
	doors := map[catalogue.DoorID]int{}
	for i, d := range w.Network.Doors {
		doors[d.ID] = i
	}
	sum := 0
	floor := testing.Benchmark(func(b *testing.B) {
		for i := range b.N {
			q := &w.asked[i&(len(w.asked)-1)]
			sum += byHash[q.Credential] + doors[q.Door] + q.At.In(w.Network.Zone.Location()).Hour()
		}
	})
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if w.Decide(i) {
				sum++
			}
		}
	})
	compile := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			w.Compiler.Compile(w.Book, nil)
		}
	})
	lists := testing.Benchmark(func(b *testing.B) {
		now := w.asked[0].At
		for range b.N {
			for _, d := range w.Network.Doors {
				sum += len(w.Index.Entries(d.ID, catalogue.In, now, now.Add(24*time.Hour)))
			}
		}
	})
	world := fmt.Sprintf("%d badges, %d doors, %d leases", worldBadges, len(w.Network.Doors), worldLeases)
	return []Row{
		{
			"a decision, " + world,
			fmt.Sprintf("%d ns, %d allocations", got.NsPerOp(), got.AllocsPerOp()),
			fmt.Sprintf("two map look-ups and time.In %d ns", floor.NsPerOp()),
			float64(got.NsPerOp()) / float64(floor.NsPerOp()),
			"≤ 200 ns, 0",
		},
		{"recompiling the index", micro(time.Duration(compile.NsPerOp())), "", 0, "≤ 20 ms"},
		{"all allowlists, computed", micro(time.Duration(lists.NsPerOp())), "", 0, "within a second of a change"},
	}, nil
}
