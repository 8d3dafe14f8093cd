package billing

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// The causes of corrections; a line with several names them in this order.
const (
	CauseLate      = "badges that arrived after the statement"
	CauseCorrected = "visits corrected after the statement"
	CauseTerms     = "leases or plans made or changed after the statement"
	CauseOther     = "what the statement is based on changed after it"
)

const betweenCauses = ", "

// history is what was issued for a lease before.
type history []Statement

func (h history) has(m tariff.Month) bool {
	return slices.ContainsFunc(h, func(s Statement) bool { return s.Month == m.String() })
}

// charged is what was issued for one month so far, with the corrections of it.
type charged struct {
	minutes  map[catalogue.Day]int64
	net, vat int64
	byRate   []tariff.Taxed
	until    time.Time // data that arrived later is on none of the statements
}

func (h history) of(m tariff.Month) charged {
	month := m.String()
	c := charged{minutes: map[catalogue.Day]int64{}}
	for _, s := range h {
		used := []Used{}
		if s.Month == month {
			used, c.vat = s.Days, c.vat+s.VatCents
			c.byRate = addTaxes(c.byRate, s.Own(), 1)
		}
		for _, l := range s.Lines {
			switch {
			case l.Kind == LineCorrection && l.Month == month:
				c.net, c.vat = c.net+l.NetCents, c.vat+l.VatCents
				c.byRate = addTaxes(c.byRate, l.Taxes(s.VatPct), 1)
				used = append(slices.Clone(used), l.Days...)
			case l.Kind == LineCorrection && s.Month == month:
				c.vat -= l.VatCents // for another month, but contained in s.VatCents
			case s.Month == month:
				c.net += l.NetCents
			}
		}
		for _, d := range used {
			c.minutes[d.Day] += d.Minutes
		}
		if s.Month >= month && s.IssuedAt.After(c.until) {
			c.until = *s.IssuedAt
		}
	}
	return c
}

// correction computes an earlier month again. It returns the new total minus the amounts that
// have been issued for that month so far.
func (p *pricing) correction(
	ctx context.Context,
	l *tenancy.Lease,
	m tariff.Month,
	before history,
) (line Line, differs bool, err error) {
	minutes, err := p.minutes(ctx, l.ID, m)
	if err != nil {
		return line, false, err
	}
	now, _ := p.tariff.Amounts(l.ID, m, minutes)
	had := before.of(m)
	changed := map[catalogue.Day]int64{}
	for day, n := range minutes {
		changed[day] += n
	}
	for day, n := range had.minutes {
		changed[day] -= n
	}
	line = Line{
		Kind:     LineCorrection,
		Month:    m.String(),
		NetCents: now.Net - had.net,
		VatCents: now.Vat - had.vat,
		Days:     byDay(m, changed),
	}
	for _, t := range addTaxes(slices.Clone(now.ByRate), had.byRate, -1) {
		if t.NetCents != 0 || t.VatCents != 0 {
			line.Vat = append(line.Vat, t)
		}
	}
	for _, d := range line.Days {
		line.Minutes += d.Minutes
	}
	if differs = len(line.Days) > 0 || line.NetCents != 0 || line.VatCents != 0; differs {
		line.Cause, err = p.cause(ctx, l, m, line.Days, had.until)
	}
	return line, differs, err
}

// cause names what was recorded after an instant and may have changed those days.
func (p *pricing) cause(
	ctx context.Context,
	l *tenancy.Lease,
	m tariff.Month,
	days []Used,
	since time.Time,
) (string, error) {
	first, last := m.Days()
	if len(days) > 0 {
		first, last = days[0].Day, days[len(days)-1].Day
	}
	members, err := p.servedMembers(ctx, l, m)
	if err != nil {
		return "", err
	}
	var found []string
	for _, c := range []struct {
		words    string
		happened func(context.Context, evidence) (bool, error)
	}{{CauseLate, p.badgesArrived}, {CauseCorrected, p.visitsCorrected}, {CauseTerms, p.termsChanged}} {
		yes, err := c.happened(ctx, evidence{l, members, first, last, since})
		if err != nil {
			return "", err
		}
		if yes {
			found = append(found, c.words)
		}
	}
	if len(found) == 0 {
		return CauseOther, nil
	}
	return strings.Join(found, betweenCauses), nil
}

// evidence says where a cause is looked for: a lease, its members, some of
// their days, since an instant.
type evidence struct {
	lease       *tenancy.Lease
	members     []tenancy.MemberID
	first, last catalogue.Day
	since       time.Time
}

// servedMembers returns those whose hours a lease may have paid for in a month.
func (p *pricing) servedMembers(ctx context.Context, l *tenancy.Lease, m tariff.Month) ([]tenancy.MemberID, error) {
	members := slices.Clone(l.Members)
	err := p.Ledger.Hours(ctx, m.Index(), l.Tenant, func(r *ledger.MonthHours) error {
		if l.Members == nil {
			members = append(members, r.Member)
		}
		return nil
	})
	return members, err
}

// badgesArrived reports whether a badge of those days arrived since.
func (p *pricing) badgesArrived(ctx context.Context, e evidence) (bool, error) {
	from, to := p.paddedDays(e)
	for _, m := range e.members {
		reads, err := p.Ledger.Reads(ctx, ledger.ReadFilter{Member: m, From: from, To: to})
		if err != nil {
			return false, err
		}
		for _, r := range reads {
			if r.Moved() && r.ReceivedAt.After(e.since) || r.Reader != nil && r.Reader.ReceivedAt.After(e.since) {
				return true, nil
			}
		}
	}
	return false, nil
}

// visitsCorrected reports whether a visit of those days was corrected since, or a
// correction undone.
func (p *pricing) visitsCorrected(ctx context.Context, e evidence) (bool, error) {
	if p.corrections == nil || e.since.Before(p.corrections.since) {
		list, when, err := p.Ledger.CorrectedSince(ctx, e.since)
		if err != nil {
			return false, err
		}
		p.corrections = &corrections{e.since, list, when}
	}
	from, to := p.paddedDays(e)
	for i, v := range p.corrections.visits {
		begin, end := v.From, v.To
		if c := v.Correction; c != nil && c.From.Before(begin) {
			begin = c.From
		}
		if c := v.Correction; c != nil && c.To.After(end) {
			end = c.To
		}
		if p.corrections.when[i].After(e.since) && begin.Before(to) && end.After(from) &&
			slices.Contains(e.members, v.Member) {
			return true, nil
		}
	}
	return false, nil
}

// corrections holds the visits that were corrected after an instant. It is loaded
// once for all statements of a month.
type corrections struct {
	since  time.Time
	visits []ledger.Visit
	when   []time.Time
}

// termsChanged reports whether something that prices those days was recorded since: a
// lease of the tenant, or a plan of one.
func (p *pricing) termsChanged(_ context.Context, e evidence) (bool, error) {
	for _, id := range p.tariff.Leases() {
		h := p.tariff.LeaseTerms(id)
		if l := h.Last(); l == nil || l.Tenant != e.lease.Tenant {
			continue
		}
		if recorded(h, e) {
			return true, nil
		}
		for _, v := range h.Versions() {
			if v.Value != nil && v.From <= e.last && recorded(p.tariff.PlanTerms(v.Value.Plan), e) {
				return true, nil
			}
		}
	}
	return false, nil
}

// recorded reports whether a change that affects the days of the evidence was
// recorded, or taken back, since. The dates of a lease affect all days.
func recorded[T any](h tenancy.Terms[T], e evidence) bool {
	return slices.ContainsFunc(h.Changes(), func(c tenancy.Change[T]) bool {
		_, dates := any(c.Value).(*tenancy.Lease)
		return (dates || c.From <= e.last) && (c.At.After(e.since) || c.Gone.After(e.since))
	})
}

// paddedDays returns the days, extended by what reaches into them: the longest
// visit, and the read that shows its end.
func (p *pricing) paddedDays(e evidence) (from, to time.Time) {
	zone := p.zone(e.first)
	return zone.Start(e.first - 1), zone.Start(e.last + 2)
}
