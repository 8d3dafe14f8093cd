// Package billing computes hours and issues statements from the ledger. It
// loads visits, plans and leases, prices them with package tariff, and stores
// statements that never change. The API and the command line ask it; it serves
// nobody by itself.
package billing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// Bills computes hours and statements from what the ledger holds.
type Bills struct {
	Network  *catalogue.Network
	History  catalogue.History // histories of the network; empty: the present one always held
	Ledger   *ledger.Ledger
	Now      func() time.Time
	Settings Settings

	known time.Time // ignores what was recorded after this instant; zero: nothing is ignored
}

// The errors that Issue returns for requests that cannot be met.
var (
	ErrIssued   = errors.New("has been issued already: a statement is issued once")
	ErrNoIssuer = errors.New("is missing in the billing settings, and issuer.required forbids issuing without it")
	ErrNotOver  = errors.New("is not over yet: only a dry run may look at it")
	ErrUnknown  = errors.New("there is no such tenant")
)

func (b Bills) history() catalogue.History {
	if len(b.History.Versions()) == 0 {
		return catalogue.Always(b.Network)
	}
	return b.History
}

// zone returns the site's time zone on a local day.
func (b Bills) zone(d catalogue.Day) *catalogue.Zone { return catalogue.ZoneOn(b.history(), d) }

// Tariff loads all versions of plans and leases.
func (b Bills) Tariff(ctx context.Context) (*tariff.Tariff, error) {
	leases, err := ledger.LeaseTermsOf(ctx, b.Ledger, b.Network)
	if err != nil {
		return nil, err
	}
	plans, err := ledger.TermsOf[tenancy.PlanID, tenancy.Plan](ctx, b.Ledger, "plan")
	if err != nil {
		return nil, err
	}
	return tariff.New(b.history(), asKnown(b, leases), asKnown(b, plans)), nil
}

// Request says which statements to issue.
type Request struct {
	Month  tariff.Month
	Tenant tenancy.TenantID   // empty: all tenants
	Of     []tenancy.TenantID // only of these tenants; nil: all
	DryRun bool
	Actor  string
}

// errMoved is returned where others have issued statements since a statement
// was computed.
var errMoved = errors.New("statements were issued in the meantime")

// Issue issues the month's statements: of every lease that has a day in the
// month, or something to correct, and no statement yet. A dry run only returns
// them. Where others issue statements at the same time it starts again: what
// they charged is not charged twice.
func (b Bills) Issue(ctx context.Context, r Request) ([]Statement, error) {
	for {
		now := b.now()
		_, last := r.Month.Days()
		if !r.DryRun && !b.known.IsZero() {
			return nil, errors.New("billing: figures as they were known earlier cannot be issued")
		}
		if !r.DryRun && now.Before(b.zone(last).Start(last+1)) {
			return nil, fmt.Errorf("%s %w", r.Month, ErrNotOver)
		}
		if missing := b.Settings.Issuer.Missing(); !r.DryRun && b.Settings.Issuer.Required && len(missing) > 0 {
			return nil, fmt.Errorf("%s %w", strings.Join(missing, ", "), ErrNoIssuer)
		}
		list, before, err := b.prepare(ctx, r)
		if err != nil || r.DryRun || len(list) == 0 {
			return list, err
		}
		if err := b.commit(ctx, list, before, r.Actor, now); !errors.Is(err, errMoved) {
			return list, err
		}
	}
}

// prepare computes a month's statements; before are all that were issued.
func (b Bills) prepare(ctx context.Context, r Request) (out, before []Statement, err error) {
	before, err = b.issued(ctx)
	if err != nil {
		return nil, nil, err
	}
	issued := map[tenancy.LeaseID]history{}
	for _, s := range before {
		issued[s.Lease] = append(issued[s.Lease], s)
	}
	p := pricing{Bills: b, months: map[tariff.Month]map[tenancy.LeaseID]map[catalogue.Day]int64{}}
	if p.tariff, err = b.Tariff(ctx); err != nil {
		return nil, nil, err
	}
	if p.names, err = ledger.TermsOf[tenancy.TenantID, tenancy.Tenant](ctx, b.Ledger, "tenant"); err != nil {
		return nil, nil, err
	}
	p.names = asKnown(b, p.names)
	if _, known := p.names[r.Tenant]; r.Tenant != "" && !known {
		return nil, nil, ErrUnknown
	}
	already := false
	for _, id := range p.tariff.Leases() {
		l := p.tariff.Last(id)
		if l == nil || r.Tenant != "" && l.Tenant != r.Tenant || r.Of != nil && !slices.Contains(r.Of, l.Tenant) {
			continue
		}
		if issued[id].has(r.Month) {
			already = true
			continue
		}
		s, any, err := p.statement(ctx, id, l, r.Month, issued[id])
		if err != nil {
			return nil, nil, err
		}
		if any {
			out = append(out, s)
		}
	}
	if len(out) == 0 && already {
		return nil, nil, fmt.Errorf("%s %w", r.Month, ErrIssued)
	}
	return out, before, nil
}

// issued returns all statements, in the order of their issue.
func (b Bills) issued(ctx context.Context) ([]Statement, error) {
	list, err := b.Ledger.Statements(ctx, ledger.StatementFilter{})
	if err != nil {
		return nil, err
	}
	all := make([]Statement, len(list))
	for i, s := range list {
		if !b.known.IsZero() && s.IssuedAt.After(b.known) {
			return all[:i], nil
		}
		if err := json.Unmarshal(s.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("read statement %d: %w", s.Number, err)
		}
	}
	return all, nil
}

// Journal returns the statements that were issued on local days of [from, to], with
// the numbers of their entries in the sales journal.
func (b Bills) Journal(ctx context.Context, from, to catalogue.Day) ([]Statement, error) {
	all, err := b.issued(ctx)
	if err != nil {
		return nil, err
	}
	zone := b.Network.Zone
	b.Settings.Number(all, zone.Location())
	return slices.DeleteFunc(all, func(s Statement) bool {
		day := zone.At(*s.IssuedAt).Day
		return day < from || day > to
	}), nil
}

// pricing prices leases' months and computes each month's hours once.
type pricing struct {
	Bills
	tariff *tariff.Tariff
	names  map[tenancy.TenantID]tenancy.Terms[tenancy.Tenant]
	months map[tariff.Month]map[tenancy.LeaseID]map[catalogue.Day]int64

	corrections *corrections // visits that were corrected, once they are loaded
}

// minutes returns a lease's billable minutes by day.
func (p *pricing) minutes(ctx context.Context, id tenancy.LeaseID, m tariff.Month) (map[catalogue.Day]int64, error) {
	if p.months[m] == nil {
		hours, err := p.Hours(ctx, m, "")
		if err != nil {
			return nil, err
		}
		byLease := map[tenancy.LeaseID]map[catalogue.Day]int64{}
		for _, days := range hours {
			for _, d := range days {
				for _, s := range d.Leases {
					if byLease[s.Lease] == nil {
						byLease[s.Lease] = map[catalogue.Day]int64{}
					}
					byLease[s.Lease][d.Day] += s.Minutes
				}
			}
		}
		p.months[m] = byLease
	}
	return p.months[m][id], nil
}

// statement returns a lease's month with the corrections of the months before
// it.
func (p *pricing) statement(
	ctx context.Context,
	id tenancy.LeaseID,
	l *tenancy.Lease,
	m tariff.Month,
	before history,
) (Statement, bool, error) {
	minutes, err := p.minutes(ctx, id, m)
	if err != nil {
		return Statement{}, false, err
	}
	a, any := p.tariff.Amounts(id, m, minutes)
	s := Statement{
		Month:           m.String(),
		Lease:           id,
		Tenant:          l.Tenant,
		Plan:            l.Plan,
		Currency:        "EUR",
		Lines:           []Line{},
		BillableMinutes: a.Minutes,
		IncludedMinutes: a.Included,
		OverageMinutes:  a.Over,
		RentCents:       a.Rent,
		OverageCents:    a.Overage,
		NetCents:        a.Net,
		VatCents:        a.Vat,
		Vat:             slices.Clone(a.ByRate),
	}
	_, last := m.Days()
	s.Days = byDay(m, minutes)
	if x, ok := p.lastTerms(id, m); ok {
		s.Plan, s.HourlyCents, s.VatPct = x.Plan.ID, x.Plan.HourlyRateCents, x.Plan.VatPct
	}
	if len(a.Parts) > 1 {
		s.Parts = a.Parts
	}
	s.Issuer = p.Settings.Issuer
	s.TenantName, s.PlanName = string(s.Tenant), string(s.Plan)
	if t := p.names[s.Tenant].Last(); t != nil { // the tenant may be deleted
		s.TenantName = t.Name
	}
	if x := p.tariff.PlanTerms(s.Plan).On(last); x != nil { // its name at that time
		s.PlanName = x.Name
	}
	if any {
		s.Lines = append(s.Lines,
			Line{Kind: LineRent, Month: s.Month, NetCents: a.Rent},
			Line{Kind: LineOverage, Month: s.Month, Minutes: s.OverageMinutes, NetCents: a.Overage},
		)
	}
	for _, earlier := range before {
		em, err := tariff.ParseMonth(earlier.Month)
		if err != nil {
			return s, false, err
		}
		if first, _ := em.Days(); first > last {
			continue
		}
		line, differs, err := p.correction(ctx, l, em, before)
		if err != nil {
			return s, false, err
		}
		if differs {
			s.Lines = append(s.Lines, line)
			s.NetCents += line.NetCents
			s.VatCents += line.VatCents
			s.Vat = addTaxes(s.Vat, line.Vat, 1)
			any = true
		}
	}
	s.TotalCents = s.NetCents + s.VatCents
	return s, any, nil
}

// lastTerms returns the terms of the lease's last day in the month.
func (p *pricing) lastTerms(id tenancy.LeaseID, m tariff.Month) (tariff.Terms, bool) {
	first, last := m.Days()
	for day := last; day >= first; day-- {
		if x, ok := p.tariff.Terms(id, day); ok {
			return x, true
		}
	}
	return tariff.Terms{}, false
}

// commit numbers the statements and issues all of them or none. It returns
// errMoved where another caller took the next number.
func (b Bills) commit(ctx context.Context, list, before []Statement, actor string, now time.Time) error {
	next := int64(1)
	if n := len(before); n > 0 {
		next = before[n-1].Number + 1
	}
	for i := range list {
		s := &list[i]
		s.Number = next + int64(i)
		s.ID = StatementID(s.Number)
		s.IssuedAt = &now
	}
	all := slices.Concat(before, list)
	b.Settings.Number(all, b.Network.Zone.Location())
	copy(list, all[len(before):])
	return b.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if free, err := tx.NextStatement(); err != nil || free != next {
			return cmp.Or(err, errMoved)
		}
		for i := range list {
			s := &list[i]
			body, err := json.Marshal(s)
			if err != nil {
				return err
			}
			if err := tx.AddStatement(
				ledger.Statement{
					ID:       s.ID,
					Number:   s.Number,
					Month:    s.Month,
					Lease:    s.Lease,
					Tenant:   s.Tenant,
					IssuedAt: now,
					Body:     body,
				},
			); err != nil {
				return err
			}
			if err := tx.AddAct(
				&ingest.Act{At: now, Actor: actor, Action: "issue", Target: "statement/" + s.ID, Body: body},
			); err != nil {
				return err
			}
		}
		return nil
	})
}
