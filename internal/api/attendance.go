package api

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/tenancy"
)

// attendance is how many people were counted in an event's spaces of one site
// while it ran. It names nobody.
type attendance struct {
	Event       tenancy.EventID  `json:"event"`
	Site        catalogue.SiteID `json:"site"`
	Spaces      int              `json:"spaces"`
	KnownHours  float64          `json:"known_hours"`
	PersonHours float64          `json:"person_hours"`
	Peak        *int32           `json:"peak" doc:"Most people at once, in all of its spaces; null where nothing is known."`
}

func (s *server) attendances() {
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/events/{id}/attendance",
			tagUsage,
			"How many people were counted in an event's spaces while it ran, by site.",
			Admin,
			Manager,
		),
		s.attendance,
	)
}

type attendanceIn struct {
	IDPath
	Paging
}

func (s *server) attendance(ctx context.Context, in *attendanceIn) (*pageOut[attendance], error) {
	e, ok := s.cfg.Rights.InForce().Book.Event(tenancy.EventID(in.ID))
	if !ok {
		return nil, notFound("event " + in.ID)
	}
	c := callerOf(ctx)
	its := func(sp *catalogue.Space) bool { return slices.Contains(e.Spaces, sp.ID) && c.reaches(sp.Site) }
	if !slices.ContainsFunc(e.Spaces,
		func(id catalogue.SpaceID) bool { sp := s.ever.Space(id); return sp != nil && its(sp) },
	) {
		return nil, notFound("event " + in.ID)
	}
	asOf, err := s.minutesFollow(ctx)
	if err != nil {
		return nil, err
	}
	// The series has whole minutes: those that the event overlaps, up to now.
	from, to := e.StartsAt.Truncate(time.Minute), e.EndsAt.Add(time.Minute-1).Truncate(time.Minute)
	if now := s.cfg.Now().UTC().Truncate(time.Minute); to.After(now) {
		to = now
	}
	if from.After(to) {
		from = to
	}
	list, err := s.cfg.Series.Usage(ctx, series.UsageQuery{From: from, To: to, By: series.BySite, Space: its})
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOfAllAsOf(asOf, Tabular{Paging: in.Paging}, list, func(u series.Usage) attendance {
		v := showUsage(u)
		return attendance{
			Event:       e.ID,
			Site:        catalogue.SiteID(u.Key),
			Spaces:      u.Spaces,
			KnownHours:  v.KnownHours,
			PersonHours: v.PersonHours,
			Peak:        v.Peak,
		}
	})
}
