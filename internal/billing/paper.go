package billing

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
)

// Locale is a language in which people read statements.
type Locale string

// The languages.
const (
	French  Locale = "fr"
	English Locale = "en"
)

//go:embed paper.html
var paperText string

var paper = template.Must(template.New("paper").Parse(paperText))

// words are the texts of a page in one language.
type words struct {
	Title, To, Month, Issued, Lease, Plan, Description, Quantity, Price, Amount, Rent, Hours, Correction string
	Net, NetAt, Vat, Total, ByDay, Explain, Billed, Part, Siren, VatID, NoIssuer                         string
	causes                                                                                               map[string]string
	months                                                                                               [12]string
}

var inWords = map[Locale]words{
	French: {
		"Relevé",
		"À",
		"Mois",
		"Émis le",
		"Bail",
		"Formule",
		"Désignation",
		"Quantité",
		"Prix unitaire HT",
		"Montant HT",
		"Loyer",
		"Heures de coworking au-delà du forfait",
		"Correction de",
		"Total HT",
		"HT à",
		"TVA",
		"Total TTC",
		"Minutes facturables par jour",
		"Chaque minute s'explique jusqu'aux badges :",
		"%s facturables, %s incluses dans la formule",
		" ; dès le %s : %s à %s",
		"SIREN",
		"N° TVA",
		"Émetteur incomplet : ce relevé n'est pas une facture",
		map[string]string{
			CauseLate:                         "badges arrivés après le relevé",
			CauseCorrected:                    "visites corrigées après le relevé",
			CauseTerms:                        "baux ou formules créés ou modifiés après le relevé",
			"leases made after the statement": "baux créés après le relevé",
			CauseOther:                        "ce dont le relevé est fait a changé depuis",
		},
		[12]string{
			"janvier",
			"février",
			"mars",
			"avril",
			"mai",
			"juin",
			"juillet",
			"août",
			"septembre",
			"octobre",
			"novembre",
			"décembre",
		},
	},
	English: {
		"Statement",
		"To",
		"Month",
		"Issued on",
		"Lease",
		"Plan",
		"Description",
		"Quantity",
		"Unit price excl. VAT",
		"Amount excl. VAT",
		"Rent",
		"Coworking hours beyond those included",
		"Correction of",
		"Total excl. VAT",
		"Excl. VAT at",
		"VAT",
		"Total incl. VAT",
		"Billable minutes by day",
		"Every minute can be traced back to the badges:",
		"%s billable, %s included in the plan",
		"; from %s: %s at %s",
		"SIREN",
		"VAT number",
		"The issuer is incomplete: this statement is not an invoice",
		nil,
		[12]string{
			"January",
			"February",
			"March",
			"April",
			"May",
			"June",
			"July",
			"August",
			"September",
			"October",
			"November",
			"December",
		},
	},
}

// Cause returns, in a language, why a correction was made.
func (l Locale) Cause(cause string) string {
	causes := strings.Split(cause, betweenCauses)
	for i, c := range causes {
		if said, ok := inWords[l].causes[c]; ok {
			causes[i] = said
		}
	}
	return strings.Join(causes, betweenCauses)
}

// Changed writes the days of a correction with their minutes, as 21/09 +75.
func (l Locale) Changed(days []Used) string {
	list := make([]string, len(days))
	for i, d := range days {
		list[i] = fmt.Sprintf("%s\u00a0%s", l.day(d.Day), l.signed(d.Minutes))
	}
	return strings.Join(list, ", ")
}

// signed writes minutes with their sign.
func (Locale) signed(n int64) string {
	return strings.Replace(fmt.Sprintf("%+d", n), "-", "−", 1)
}

// page is what the template of a printed statement is filled with.
type page struct {
	Lang    Locale
	W       words
	S       *Statement
	Month   string
	Issued  string
	Rows    []pageRow
	Totals  []pageRow
	Days    []pageRow
	Command string
}

type pageRow struct {
	What, Detail, Quantity, Price, Amount string
	Strong                                bool
}

// Paper writes a statement as an HTML page that prints on A4; zone is the time
// zone of its dates.
func (s *Statement) Paper(w io.Writer, lang Locale, zone *time.Location) error {
	x := inWords[lang]
	p := page{Lang: lang, W: x, S: s, Month: lang.month(s.Month),
		Command: fmt.Sprintf("totem hours --month %s --by day --tenant %s", s.Month, s.Tenant)}
	if s.IssuedAt != nil {
		p.Issued = lang.date(s.IssuedAt.In(zone))
	}
	for _, l := range s.Lines {
		r := pageRow{Amount: lang.money(l.NetCents)}
		switch l.Kind {
		case LineRent:
			r.What = x.Rent + ", " + lang.month(l.Month)
		case LineOverage:
			r.What, r.Quantity, r.Price = x.Hours, lang.hours(l.Minutes), lang.money(int64(s.HourlyCents))+"/h"
			r.Detail = fmt.Sprintf(x.Billed, lang.hours(s.BillableMinutes), lang.hours(s.IncludedMinutes))
			for _, p := range s.Parts { // no single price
				r.Price = ""
				r.Detail += fmt.Sprintf(x.Part, lang.day(p.From), lang.hours(p.Over), lang.money(int64(p.HourlyCents))+"/h")
			}
		case LineCorrection:
			r.What, r.Detail = lang.correctionOf(l.Month), lang.Cause(l.Cause)
			if l.Minutes != 0 {
				r.Quantity = lang.hours(l.Minutes)
			}
			if len(l.Days) > 0 {
				r.Detail += fmt.Sprintf(" (%s\u00a0min)", lang.Changed(l.Days))
			}
		}
		p.Rows = append(p.Rows, r)
	}
	p.Totals = append(p.Totals, pageRow{What: x.Net, Amount: lang.money(s.NetCents)})
	rates := s.Taxes()
	for _, t := range rates {
		if len(rates) > 1 {
			p.Totals = append(p.Totals, pageRow{What: x.NetAt + " " + lang.percent(t.VatPct), Amount: lang.money(t.NetCents)})
		}
		p.Totals = append(p.Totals, pageRow{What: x.Vat + " " + lang.percent(t.VatPct), Amount: lang.money(t.VatCents)})
	}
	if len(rates) == 0 {
		p.Totals = append(p.Totals, pageRow{What: x.Vat + " " + lang.percent(s.VatPct), Amount: lang.money(s.VatCents)})
	}
	p.Totals = append(p.Totals, pageRow{What: x.Total, Amount: lang.money(s.TotalCents), Strong: true})
	for _, d := range s.Days {
		p.Days = append(p.Days, pageRow{What: lang.day(d.Day), Amount: strconv.FormatInt(d.Minutes, 10)})
	}
	return paper.Execute(w, p)
}

// correctionOf names a correction's month; French uses de, or d' before a
// vowel.
func (l Locale) correctionOf(month string) string {
	name := l.month(month)
	if l == French && strings.ContainsAny(name[:1], "ao") {
		return "Correction d’" + name
	}
	return inWords[l].Correction + " " + name
}

func (l Locale) month(s string) string {
	m, err := tariff.ParseMonth(s)
	if err != nil {
		return s
	}
	return fmt.Sprintf("%s %d", inWords[l].months[m.Month-1], m.Year)
}

func (l Locale) date(t time.Time) string {
	return fmt.Sprintf("%d %s %d", t.Day(), inWords[l].months[t.Month()-1], t.Year())
}

// day returns a day of the month in digits.
func (l Locale) day(d catalogue.Day) string {
	t := time.Unix(int64(d)*86400, 0).UTC()
	if l == French {
		return t.Format("02/01")
	}
	return t.Format("2 Jan")
}

// money writes cents as 1 234,56 € or €1,234.56, with spaces that do not break.
func (l Locale) money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "−", -cents
	}
	euros, rest := strconv.FormatInt(cents/100, 10), fmt.Sprintf("%02d", cents%100)
	if l == French {
		return sign + grouped(euros, "\u202f") + "," + rest + "\u00a0€"
	}
	return sign + "€" + grouped(euros, ",") + "." + rest
}

func grouped(digits, by string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + by + digits[i:]
	}
	return digits
}

func (l Locale) hours(minutes int64) string {
	sign := ""
	if minutes < 0 {
		sign, minutes = "−", -minutes
	}
	return fmt.Sprintf("%s%d\u00a0h\u00a0%02d", sign, minutes/60, minutes%60)
}

func (l Locale) percent(x float64) string {
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if l == French {
		return strings.Replace(s, ".", ",", 1) + "\u00a0%"
	}
	return s + "%"
}
