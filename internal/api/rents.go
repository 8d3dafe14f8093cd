package api

import (
	"context"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
)

// rentBody is a rent to set.
type rentBody struct {
	Cents  int64         `json:"rent_cents_m2_month" required:"true" minimum:"1" maximum:"1000000" doc:"In cents per m² and month."`
	From   catalogue.Day `json:"from" required:"true" format:"date" doc:"The first local day on which it holds, past or future. It replaces earlier-recorded revisions of later days."`
	Reason string        `json:"reason" required:"true" minLength:"1" maxLength:"500"`
}

// RentView is a rent that held, holds or will hold.
type RentView struct {
	Cents      int64             `json:"rent_cents_m2_month"`
	From       *catalogue.Day    `json:"from" format:"date" doc:"Null: from the beginning."`
	Reason     string            `json:"reason" doc:"Empty where the rent comes from the catalogue."`
	By         string            `json:"by" doc:"Empty where the rent comes from the catalogue."`
	RecordedAt catalogue.Instant `json:"recorded_at"`
}

// rentSet is a rent that was set, and the rents that it replaces.
type rentSet struct {
	RentView
	Before   *int64     `json:"before_cents" doc:"The rent on the day before; null: none."`
	Replaced []RentView `json:"replaced" nullable:"false" doc:"Rents that would have begun on that day or later, and were replaced."`
}

type rentIn struct {
	IDPath
	Body rentBody
}

type rentListIn struct {
	IDPath
	Paging
}

// rentPaths registers the endpoints of a space's rent.
func (s *server) rentPaths() {
	roles := []Role{Admin, Manager, Billing}
	huma.Register(s.api,
		operation("PUT", "/v1/spaces/{id}/rent", tagBilling, "Set a space's rent per m² from a day on.", roles...),
		s.putRent,
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/spaces/{id}/rent",
			tagBilling,
			"A space's rents per m², with the day from which each holds.",
			roles...),
		func(ctx context.Context, in *rentListIn) (*pageOut[RentView], error) {
			sp, err := s.ownSpace(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			rents, err := s.rents(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			list := []RentView{}
			for _, v := range rents[sp.ID].Versions() {
				list = append(list, showRent(v.From, v.Value, v.At))
			}
			return pageOfAll(Tabular{Paging: in.Paging}, list, func(v RentView) RentView { return v })
		},
	)
}

func showRent(from catalogue.Day, r *tariff.Rent, at time.Time) RentView {
	v := RentView{Cents: r.Cents, Reason: r.Reason, By: r.By, RecordedAt: instant(at)}
	if from > 0 {
		v.From = &from
	}
	return v
}

// ownSpace returns a space of the catalogue at one of the caller's sites.
func (s *server) ownSpace(ctx context.Context, id string) (*catalogue.Space, error) {
	sp := s.cfg.Network.Space(catalogue.SpaceID(id))
	if sp == nil || !callerOf(ctx).reaches(sp.Site) {
		return nil, notFound("space " + id)
	}
	return sp, nil
}

func (s *server) putRent(ctx context.Context, in *rentIn) (*one[rentSet], error) {
	sp, err := s.ownSpace(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Body.Reason) == "" {
		return nil, invalid("body", "reason", "is empty")
	}
	if in.Body.Cents < 1 { // null
		return nil, invalid("body", "rent_cents_m2_month", "must be 1 or more")
	}
	if in.Body.From < 1 {
		return nil, invalid("body", "from", "lies before 1970")
	}
	r := tariff.Revision{
		Space: s.cfg.Network.FirstName(sp.ID),
		From:  in.Body.From,
		At:    s.cfg.Now().UTC().Truncate(time.Millisecond),
		Rent:  tariff.Rent{Cents: in.Body.Cents, Reason: in.Body.Reason, By: callerOf(ctx).id},
	}
	had, err := s.rents(ctx)
	if err == nil {
		err = s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.PutRent(r) })
	}
	if err != nil {
		return nil, s.fail(err)
	}
	out := rentSet{RentView: showRent(r.From, &r.Rent, r.At), Replaced: []RentView{}}
	if before := had.On(sp.ID, r.From-1); before > 0 {
		out.Before = &before
	}
	for _, v := range had[sp.ID].Versions() {
		if v.From >= r.From {
			out.Replaced = append(out.Replaced, showRent(v.From, v.Value, v.At))
		}
	}
	return &one[rentSet]{out}, nil
}

// rents returns the rents of every space, under the spaces' current ids.
func (s *server) rents(ctx context.Context) (tariff.Rents, error) {
	list, err := s.cfg.Ledger.Rents(ctx)
	if err != nil {
		return nil, err
	}
	if had := s.rentsMade.Load(); had != nil &&
		had.revisions == len(list) { // revisions are never taken back: their number identifies the state
		return had.rents, nil
	}
	n := len(list)
	for i := range list {
		list[i].Space = s.cfg.Network.PresentName(list[i].Space)
	}
	made := &rentsMade{n, tariff.RentsOf(s.cfg.Series.History, list)}
	s.rentsMade.Store(made)
	return made.rents, nil
}

// rentsMade caches the rents computed from a number of revisions.
type rentsMade struct {
	revisions int
	rents     tariff.Rents
}

// today returns the present local day.
func (s *server) today() catalogue.Day { return s.cfg.Network.Zone.At(s.cfg.Now()).Day }
