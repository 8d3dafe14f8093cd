package api

import (
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// preview is what a lease that is not saved yet would do.
type preview struct {
	Doors    []previewDoor       `json:"doors" nullable:"false" doc:"The doors that it would open."`
	Spaces   []catalogue.SpaceID `json:"spaces" nullable:"false" doc:"The spaces that it would give, with those that its plan includes."`
	Schedule tenancy.Schedule    `json:"schedule" doc:"When it would open them; no windows: always."`
	StartsOn catalogue.Day       `json:"starts_on" format:"date"`
	EndsOn   *catalogue.Day      `json:"ends_on" format:"date"`
	Opens    bool                `json:"opens" doc:"False while it is suspended: it opens nothing."`
	Members  []tenancy.MemberID  `json:"members" nullable:"false" doc:"Whom it would serve."`
	Month    previewMonth        `json:"month"`
}

type previewDoor struct {
	Door catalogue.DoorID  `json:"door"`
	Site catalogue.SiteID  `json:"site"`
	To   catalogue.SpaceID `json:"to"`
}

// previewMonth is what the lease would bill this month, as of now.
type previewMonth struct {
	Month    string `json:"month"`
	Rent     int64  `json:"rent_cents"`
	Minutes  int64  `json:"billable_minutes"`
	Included int64  `json:"included_minutes"`
	Over     int64  `json:"overage_minutes"`
	Overage  int64  `json:"overage_cents"`
	Net      int64  `json:"net_cents"`
	Vat      int64  `json:"vat_cents"`
	Total    int64  `json:"total_cents"`
}

func (s *server) previews() {
	type in struct{ Body Lease }
	office := []Role{Admin, Manager, Billing}
	huma.Register(s.api,
		operation(
			"POST",
			"/v1/leases/preview",
			tagRights,
			"What a lease would open, when, for whom, and bill this month; nothing is saved.",
			office...),
		func(ctx context.Context, in *in) (*one[preview], error) {
			out, err := s.preview(ctx, in.Body.Lease)
			if err != nil {
				return nil, s.fail(err)
			}
			return &one[preview]{*out}, nil
		},
	)
}

// previewID stands in for a lease that has no id yet; it sorts after all
// others.
const previewID = "zzzz-preview"

func (s *server) preview(ctx context.Context, l tenancy.Lease) (*preview, error) {
	if l.ID == "" {
		l.ID = previewID
	}
	draft, c := s.cfg.Rights.Draft(), callerOf(ctx)
	if err := draft.Put(l); err != nil {
		return nil, err
	}
	if !c.reaches(l.Site) || !s.maySpaces(c, l.Spaces) {
		return nil, forbidden("this lease")
	}
	book, n := draft.Book(), s.cfg.Network
	l, _ = book.Lease(l.ID)
	plan, _ := book.Plan(l.Plan)
	schedule, _ := book.Schedule(plan.Schedule)
	out := &preview{
		Doors:    []previewDoor{},
		Spaces:   []catalogue.SpaceID{},
		Schedule: schedule,
		StartsOn: l.StartsOn,
		EndsOn:   l.EndsOn,
		Opens:    l.Status == tenancy.Active,
		Members:  []tenancy.MemberID{},
	}
	for _, sp := range n.Spaces {
		if slices.Contains(l.Spaces, sp.ID) ||
			slices.Contains(plan.Includes, sp.Kind) && (plan.Roaming || sp.Site == l.Site) {
			out.Spaces = append(out.Spaces, sp.ID)
		}
	}
	for _, d := range n.Doors {
		if slices.ContainsFunc(out.Spaces, func(given catalogue.SpaceID) bool { return n.Within(given, d.To) }) {
			out.Doors = append(out.Doors, previewDoor{d.ID, d.Site, d.To})
		}
	}
	for m := range book.Members() {
		if l.Members == nil && m.Tenant == l.Tenant || slices.Contains(l.Members, m.ID) {
			out.Members = append(out.Members, m.ID)
		}
	}
	now := n.Zone.At(s.cfg.Now()).Day
	month, err := tariff.ParseMonth(now.String()[:7])
	if err != nil {
		return nil, err
	}
	a, _, err := s.cfg.Bills.Preview(ctx, l, month)
	if err != nil {
		return nil, err
	}
	out.Month = previewMonth{month.String(), a.Rent, a.Minutes, a.Included, a.Over, a.Overage, a.Net, a.Vat, a.Total()}
	return out, nil
}
