package api

import (
	"fmt"
	"strings"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/tariff"
)

func (b statementsBody) rows() any { return linesOf(b.Items, b.fr) }

// euros is an amount in cents. It is written in euros, as 1234,56.
type euros int64

// String writes the decimal comma that French spreadsheets read.
func (e euros) String() string {
	sign, n := "", int64(e)
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d,%02d", sign, n/100, n%100)
}

// ligne is a statement's line for French spreadsheets.
type ligne struct {
	Releve    string   `json:"relevé"`
	Mois      string   `json:"mois"`
	Locataire string   `json:"locataire"`
	Bail      string   `json:"bail"`
	Nature    string   `json:"nature"`
	De        string   `json:"mois concerné"`
	Minutes   int64    `json:"minutes"`
	HT        *euros   `json:"montant HT"`
	TVA       *euros   `json:"TVA"`
	TTC       *euros   `json:"montant TTC"`
	Taux      *float64 `json:"taux TVA"`
	Motif     string   `json:"motif"`
	Jours     string   `json:"jours"`
}

// inFrench writes a line in French words.
func inFrench(l statementLine) ligne {
	nature := map[string]string{billing.LineRent: "loyer", billing.LineOverage: "dépassement",
		billing.LineCorrection: "correction", "vat": "TVA", "total": "total"}[l.Kind]
	return ligne{
		l.Statement,
		l.Month,
		l.Tenant,
		l.Lease,
		nature,
		l.Of,
		l.Minutes,
		(*euros)(l.Net),
		(*euros)(l.Vat),
		(*euros)(l.Total),
		l.VatPct,
		billing.French.Cause(l.Cause),
		l.Days,
	}
}

type statementLine struct {
	Statement string   `json:"statement"`
	Month     string   `json:"month"`
	Tenant    string   `json:"tenant"`
	Lease     string   `json:"lease"`
	Kind      string   `json:"kind"`
	Of        string   `json:"of_month"`
	Minutes   int64    `json:"minutes"`
	Net       *int64   `json:"net_cents"` // of a line of VAT: the amount that is taxed
	Vat       *int64   `json:"vat_cents"` // rent and hours together: VAT is rounded once for each rate
	Total     *int64   `json:"total_cents"`
	VatPct    *float64 `json:"vat_pct"` // empty where a line has several
	Cause     string   `json:"cause"`
	Days      string   `json:"days"` // days that a correction changes, as 2026-09-21 +75
}

// rows returns the statement's lines and its total.
func (s statementBody) rows() any { return linesOf([]billing.Statement{s.Statement}, s.fr) }

// linesOf returns the lines of several statements, each followed by its total.
func linesOf(list []billing.Statement, french bool) any {
	out := []statementLine{}
	for i := range list {
		s := &list[i]
		own := s.Own()
		line := func(l billing.Line, rates []tariff.Taxed, net, vat, total *int64) {
			days := make([]string, len(l.Days))
			for i, d := range l.Days {
				days[i] = fmt.Sprintf("%s %+d", d.Day, d.Minutes)
			}
			var pct *float64
			if len(rates) == 1 {
				pct = &rates[0].VatPct
			}
			out = append(out,
				statementLine{
					s.ID,
					s.Month,
					string(s.Tenant),
					string(s.Lease),
					l.Kind,
					l.Month,
					l.Minutes,
					net,
					vat,
					total,
					pct,
					l.Cause,
					strings.Join(days, ", "),
				},
			)
		}
		for _, l := range s.Lines {
			if l.Kind != billing.LineCorrection {
				line(l, own, &l.NetCents, nil, nil)
				continue
			}
			total := l.NetCents + l.VatCents
			line(l, l.Taxes(s.VatPct), &l.NetCents, &l.VatCents, &total)
		}
		for i := range own {
			line(billing.Line{Kind: "vat", Month: s.Month}, own[i:i+1], &own[i].NetCents, &own[i].VatCents, nil)
		}
		line(
			billing.Line{Kind: "total", Month: s.Month, Minutes: s.BillableMinutes},
			s.Taxes(),
			&s.NetCents,
			&s.VatCents,
			&s.TotalCents,
		)
	}
	if !french {
		return out
	}
	lignes := []ligne{}
	for _, l := range out {
		lignes = append(lignes, inFrench(l))
	}
	return lignes
}
