package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

const tagPersons = "Personal data"

// personData is all that is held on a person.
type personData struct {
	AsOf
	Member      tenancy.Member    `json:"member"`
	Credentials []Credential      `json:"credentials" nullable:"false"`
	Passes      []Pass            `json:"passes" nullable:"false" doc:"Of visitors whom the person hosts."`
	Leases      []tenancy.LeaseID `json:"leases" nullable:"false" doc:"Leases that serve the person."`
	Events      []Event           `json:"events" nullable:"false" doc:"Events the person is invited to."`
	Reads       []read            `json:"reads" nullable:"false"`
	Visits      []visitView       `json:"visits" nullable:"false"`
	Acts        []actView         `json:"acts" nullable:"false" doc:"What was done to these records."`
}

func (s *server) persons() {
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/members/{id}/data",
			tagPersons,
			"Everything that is held on a person; for a manager only reads and visits at its sites.",
			Admin,
			Manager,
		),
		func(ctx context.Context, in *IDPath) (*one[personData], error) {
			m, err := s.person(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			data, err := s.dataOf(ctx, m)
			if err == nil {
				err = s.look(ctx, m.ID, 1, "data", "")
			}
			if err != nil {
				return nil, s.fail(err)
			}
			return &one[personData]{*data}, nil
		},
	)
	huma.Register(s.api,
		with(
			operation(
				"DELETE",
				"/v1/members/{id}/data",
				tagPersons,
				"Erase a person; what bills still need stays without a name.",
				Admin,
				Manager,
			),
			http.StatusServiceUnavailable,
		),
		func(ctx context.Context, in *IDPath) (*empty, error) {
			m, err := s.person(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if err := s.settled(ctx); err != nil { // visits are computed before their reads lose their member
				return nil, err
			}
			return nil, s.fail(s.cfg.Rights.Erase(ctx, callerOf(ctx).id, m.ID))
		},
	)
}

// person returns a member or, for an admin, one whose record was deleted but
// who still has reads, visits or acts.
func (s *server) person(ctx context.Context, id string) (tenancy.Member, error) {
	book := s.cfg.Rights.InForce().Book
	m, ok := book.Member(tenancy.MemberID(id))
	switch {
	case ok && mayMember(callerOf(ctx), book, m):
		return m, nil
	case ok || callerOf(ctx).role != Admin || ledger.Nameless(tenancy.MemberID(id)):
		return m, notFound("member " + id)
	}
	m.ID = tenancy.MemberID(id)
	visits, err := s.cfg.Ledger.Visits(ctx, ledger.VisitFilter{Member: m.ID, Limit: 1})
	if err != nil {
		return m, s.fail(err)
	}
	reads, err := s.cfg.Ledger.Reads(ctx, ledger.ReadFilter{Member: m.ID, Limit: 1})
	if err != nil {
		return m, s.fail(err)
	}
	acts, err := s.cfg.Ledger.Acts(ctx, "member/"+id)
	if err != nil {
		return m, s.fail(err)
	}
	if len(visits)+len(reads)+len(acts) == 0 {
		return m, notFound("member " + id)
	}
	return m, nil
}

func (s *server) dataOf(ctx context.Context, m tenancy.Member) (*personData, error) {
	asOf, err := s.visitsFollow(ctx)
	if err != nil {
		return nil, err
	}
	book := s.cfg.Rights.InForce().Book
	d := &personData{
		AsOf:        asOf,
		Member:      m,
		Credentials: []Credential{},
		Passes:      []Pass{},
		Leases:      []tenancy.LeaseID{},
		Events:      []Event{},
		Reads:       []read{},
		Visits:      []visitView{},
		Acts:        []actView{},
	}
	targets := []string{"member/" + string(m.ID)}
	for c := range book.Credentials() {
		if c.Member == m.ID {
			d.Credentials = append(d.Credentials, showCredential(c))
			targets = append(targets, "credential/"+string(c.ID))
		}
	}
	for p := range book.Passes() {
		if p.Host == m.ID {
			d.Passes = append(d.Passes, showPass(p))
		}
	}
	for l := range book.Leases() {
		if l.Members == nil && l.Tenant == m.Tenant || slices.Contains(l.Members, m.ID) {
			d.Leases = append(d.Leases, l.ID)
		}
	}
	for e := range book.Events() {
		if slices.Contains(e.Invited, m.ID) {
			d.Events = append(d.Events, showEvent(e))
		}
	}
	return d, s.history(ctx, d, targets)
}

// history adds what the ledger holds on the person: reads, visits, acts.
func (s *server) history(ctx context.Context, d *personData, targets []string) error {
	const batch = 1000
	c, now := callerOf(ctx), s.cfg.Now()
	for after := (ledger.ReadCursor{}); ; {
		reads, err := s.cfg.Ledger.Reads(ctx, ledger.ReadFilter{Member: d.Member.ID, After: after, Limit: batch})
		if err != nil {
			return err
		}
		for _, r := range reads {
			if door := s.ever.Door(r.Door); !c.bound() || door != nil && c.reaches(door.Site) {
				d.Reads = append(d.Reads, showRead(r))
			}
			after = ledger.ReadCursor{At: r.At, Seq: r.Seq}
		}
		if len(reads) < batch {
			break
		}
	}
	f := ledger.VisitFilter{Member: d.Member.ID, Limit: batch}
	for {
		visits, err := s.cfg.Ledger.Visits(ctx, f)
		if err != nil {
			return err
		}
		for _, v := range visits {
			if sp := s.ever.Space(v.Space); !c.bound() || sp != nil && c.reaches(sp.Site) {
				d.Visits = append(d.Visits, showVisit(v, now))
			}
			f.AfterFrom, f.AfterID = v.From, v.ID
		}
		if len(visits) < batch {
			break
		}
	}
	for _, target := range targets {
		acts, err := s.cfg.Ledger.Acts(ctx, target)
		if err != nil {
			return err
		}
		for _, a := range acts {
			d.Acts = append(d.Acts, showAct(a))
		}
	}
	return nil
}
