package api

import (
	"cmp"
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/tenancy"
)

// rollcall is who is in a building now by the badges, beside what the sensors
// count.
type rollcall struct {
	Building catalogue.BuildingID `json:"building"`
	At       catalogue.Instant    `json:"at"`
	People   []present            `json:"people" nullable:"false"`
	Spaces   []rollCount          `json:"spaces" nullable:"false" doc:"Each space in which badges or sensors find anybody, or in which sensors know nothing."`
}

type present struct {
	Member *tenancy.MemberID  `json:"member"`
	Pass   *tenancy.PassID    `json:"pass"`
	Name   string             `json:"name"`
	Tenant *tenancy.TenantID  `json:"tenant" doc:"The member's, or the visitor's host's."`
	Host   *tenancy.MemberID  `json:"host" doc:"A visitor's."`
	Space  catalogue.SpaceID  `json:"space"`
	Since  catalogue.Instant  `json:"since"`
	Door   *catalogue.DoorID  `json:"door" doc:"The last door at which the person badged."`
	At     *catalogue.Instant `json:"at" doc:"When that was."`
}

type rollCount struct {
	Space    catalogue.SpaceID `json:"space"`
	Badges   int               `json:"badges" doc:"People whose last read left them in this space itself, not below it."`
	Within   int               `json:"within" doc:"The same, with all spaces below it."`
	Sensors  *int              `json:"sensors" doc:"How many people its counters see; null: unknown."`
	Occupied *bool             `json:"occupied" doc:"Whether its sensors see anybody; null: unknown."`
}

func (s *server) rollcalls() {
	op := operation(
		"GET",
		"/v1/buildings/{id}/rollcall",
		tagAccess,
		"Who is in a building now by the badges, beside each space's count by its sensors; audited by building.",
		Admin,
		Manager,
	)
	huma.Register(s.api, op, func(ctx context.Context, in *IDPath) (*one[rollcall], error) {
		b := s.cfg.Network.Building(catalogue.BuildingID(in.ID))
		if b == nil || !callerOf(ctx).reaches(b.Site) {
			return nil, notFound("building " + in.ID)
		}
		out, err := s.rollcall(ctx, b)
		if err == nil {
			err = s.addLook(ctx, "building/"+in.ID, lookBody{What: "rollcall"})
		}
		if err != nil {
			return nil, s.fail(err)
		}
		return &one[rollcall]{*out}, nil
	})
}

func (s *server) rollcall(ctx context.Context, b *catalogue.Building) (*rollcall, error) {
	now := s.cfg.Now()
	there, err := s.cfg.Ledger.Presences(ctx, now)
	if err != nil {
		return nil, err
	}
	out := &rollcall{Building: b.ID, At: instant(now), People: []present{}, Spaces: []rollCount{}}
	own, within := map[catalogue.SpaceID]int{}, map[catalogue.SpaceID]int{}
	for _, p := range there {
		sp := s.cfg.Network.Space(p.Space)
		if sp == nil || sp.Building != b.ID || p.Since.After(now) {
			continue
		}
		own[sp.ID]++
		for _, id := range s.cfg.Network.Chain(sp.ID) {
			within[id]++
		}
		one, err := s.rollcallEntry(ctx, p)
		if err != nil {
			return nil, err
		}
		out.People = append(out.People, one)
	}
	slices.SortFunc(out.People,
		func(a, b present) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.Since.Compare(b.Since.Time)) },
	)
	for _, a := range s.cfg.Live.Availability() {
		if a.Building != b.ID {
			continue
		}
		c := rollCount{Space: a.Space, Badges: own[a.Space], Within: within[a.Space]}
		if a.Source != nil && *a.Source != occupancy.FromBadge {
			c.Sensors, c.Occupied = a.Count, a.Occupied
		}
		out.Spaces = append(out.Spaces, c)
	}
	return out, nil
}

// rollcallEntry returns the entry of a person; one who was erased or deleted since
// has no name.
func (s *server) rollcallEntry(ctx context.Context, p ledger.Presence) (present, error) {
	book := s.cfg.Rights.InForce().Book
	one := present{Member: orNil(p.Subject.Member), Pass: orNil(p.Subject.Pass), Space: p.Space, Since: instant(p.Since)}
	if m, ok := book.Member(p.Subject.Member); ok {
		one.Name, one.Tenant = m.Name, &m.Tenant
	}
	if pass, ok := book.Pass(p.Subject.Pass); ok {
		one.Name, one.Host = pass.Name, orNil(pass.Host)
		if host, ok := book.Member(pass.Host); ok {
			one.Tenant = &host.Tenant
		}
	}
	last, err := s.cfg.Ledger.Reads(ctx,
		ledger.ReadFilter{Member: p.Subject.Member, Pass: p.Subject.Pass, Newest: true, Limit: 5},
	)
	if err != nil {
		return one, err
	}
	if i := slices.IndexFunc(last, (*ingest.Read).Moved); i >= 0 {
		one.Door, one.At = &last[i].Door, instantOrNil(&last[i].At)
	}
	return one, nil
}
