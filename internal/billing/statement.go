package billing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// Statement is what a lease owes for a month, as it was issued.
type Statement struct {
	ID     string           `json:"id"`
	Number int64            `json:"number,omitempty"` // 0 in a dry run
	Month  string           `json:"month"`
	Lease  tenancy.LeaseID  `json:"lease"`
	Tenant tenancy.TenantID `json:"tenant"`
	Plan   tenancy.PlanID   `json:"plan"`
	// Names as they were when the statement was issued: what is printed later
	// is what was meant then.
	TenantName string `json:"tenant_name"`
	PlanName   string `json:"plan_name"`
	Issuer     Issuer `json:"issuer"`

	IssuedAt *time.Time `json:"issued_at"`
	Currency string     `json:"currency"`

	BillableMinutes int64 `json:"billable_minutes"`
	IncludedMinutes int64 `json:"included_minutes"`
	OverageMinutes  int64 `json:"overage_minutes"`

	RentCents    int64   `json:"rent_cents"`
	OverageCents int64   `json:"overage_cents"`
	HourlyCents  int     `json:"hourly_rate_cents"`
	VatPct       float64 `json:"vat_pct"`
	// How each part of the month is priced, where the plan changed within it.
	Parts []tariff.Part `json:"parts,omitempty"`

	Lines      []Line `json:"lines"`
	Days       []Used `json:"days"`
	NetCents   int64  `json:"net_cents"`
	VatCents   int64  `json:"vat_cents"`
	TotalCents int64  `json:"total_cents"`
	// Each rate of VAT with the amount taxed at it, corrections included (CGI,
	// annex II, art. 242 nonies A).
	Vat []tariff.Taxed `json:"vat,omitempty"`
	// Entry is the number of its entry in the sales journal, counted in each
	// fiscal year; 0: it has no amount, or is a dry run.
	Entry int64 `json:"entry,omitempty"`
}

// Taxes returns the statement's rates of VAT; a statement issued before rates
// were stored has one.
func (s *Statement) Taxes() []tariff.Taxed {
	if s.Vat == nil && (s.NetCents != 0 || s.VatCents != 0) {
		return []tariff.Taxed{{VatPct: s.VatPct, NetCents: s.NetCents, VatCents: s.VatCents}}
	}
	return s.Vat
}

// Own returns the rates of VAT of the month itself, without corrections of
// other months.
func (s *Statement) Own() []tariff.Taxed {
	own := slices.Clone(s.Taxes())
	for _, l := range s.Lines {
		if l.Kind == LineCorrection {
			own = addTaxes(own, l.Taxes(s.VatPct), -1)
		}
	}
	return slices.DeleteFunc(own, func(t tariff.Taxed) bool { return t.NetCents == 0 && t.VatCents == 0 && len(own) > 1 })
}

// addTaxes adds amounts to each rate, times a sign.
func addTaxes(to, more []tariff.Taxed, sign int64) []tariff.Taxed {
	for _, t := range more {
		i := slices.IndexFunc(to, func(x tariff.Taxed) bool { return x.VatPct == t.VatPct })
		if i < 0 {
			i, to = len(to), append(to, tariff.Taxed{VatPct: t.VatPct})
		}
		to[i].NetCents += sign * t.NetCents
		to[i].VatCents += sign * t.VatCents
	}
	return to
}

// Used holds the billable minutes of one day, of all of the lease's members.
type Used struct {
	Day     catalogue.Day `json:"day" format:"date"`
	Minutes int64         `json:"billable_minutes"`
}

// byDay lists the month's days that have minutes.
func byDay(m tariff.Month, minutes map[catalogue.Day]int64) []Used {
	list := []Used{}
	first, last := m.Days()
	for day := first; day <= last; day++ {
		if minutes[day] != 0 {
			list = append(list, Used{day, minutes[day]})
		}
	}
	return list
}

// Line is one amount of a statement.
type Line struct {
	Kind     string `json:"kind"` // rent, overage, correction
	Month    string `json:"month"`
	Minutes  int64  `json:"minutes"`
	NetCents int64  `json:"net_cents"`
	VatCents int64  `json:"vat_cents,omitempty"` // only of a correction: for other lines VAT is computed on their sum
	Cause    string `json:"cause,omitempty"`
	Days     []Used `json:"days,omitempty"` // of a correction: the changes, day by day
	// Of a correction: each rate of VAT with the amount taxed at it.
	Vat []tariff.Taxed `json:"vat,omitempty"`
}

// Taxes returns a correction's rates of VAT; one issued before rates were
// stored has its statement's.
func (l *Line) Taxes(pct float64) []tariff.Taxed {
	if l.Vat == nil {
		return []tariff.Taxed{{VatPct: pct, NetCents: l.NetCents, VatCents: l.VatCents}}
	}
	return l.Vat
}

// The kinds of lines.
const (
	LineRent       = "rent"
	LineOverage    = "overage"
	LineCorrection = "correction"
)

// StatementID writes a statement's number as its id.
func StatementID(number int64) string { return fmt.Sprintf("s-%06d", number) }

// Number returns the number in a statement's id.
func Number(id string) (int64, bool) {
	digits, _ := strings.CutPrefix(id, "s-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && StatementID(n) == id
}
