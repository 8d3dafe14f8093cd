package billing

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// FECColumns are the columns of a fichier des écritures comptables, in the
// order of article A47 A-1 of the Livre des procédures fiscales.
var FECColumns = []string{
	"JournalCode",
	"JournalLib",
	"EcritureNum",
	"EcritureDate",
	"CompteNum",
	"CompteLib",
	"CompAuxNum",
	"CompAuxLib",
	"PieceRef",
	"PieceDate",
	"EcritureLib",
	"Debit",
	"Credit",
	"EcritureLet",
	"DateLet",
	"ValidDate",
	"Montantdevise",
	"Idevise",
}

// FECName returns the name of such a file: SIREN, FEC, the last day.
func (s *Settings) FECName(end time.Time) string {
	return cmp.Or(s.Issuer.Siren, "SANS-SIREN-") + "FEC" + end.Format("20060102") + ".txt"
}

// FEC writes issued statements as the entries of a sales journal that French
// accounting packages import: tabs, decimal commas, dates as 20261103, ISO
// 8859-15. Each statement with an amount is one entry whose debits and credits
// are equal: the customer owes the total; rent, hours, corrections and each
// rate of VAT are credited, or debited where they are given back. zone is the
// time zone of its dates. The statements already have the numbers of their
// entries ([Settings.Number]).
func (s *Settings) FEC(w io.Writer, list []Statement, zone *time.Location) error {
	out := &fec{to: charmap.ISO8859_15.NewEncoder().Writer(w), settings: s, zone: zone}
	out.line(slices.Clone(FECColumns)...)
	for i := range list {
		out.statement(&list[i])
	}
	return out.err
}

// Number gives issued statements, in the order of their issue, the numbers of
// their entries: counted from 1 in each fiscal year, without holes (A47 A-1). A
// statement that has its number keeps it; one without an amount has none.
func (s *Settings) Number(list []Statement, zone *time.Location) {
	last := map[int]int64{}
	for i := range list {
		x := &list[i]
		year := s.fiscalYear(*x.IssuedAt, zone)
		if x.Entry == 0 && len(s.entries(x)) > 0 {
			x.Entry = last[year] + 1
		}
		last[year] = max(last[year], x.Entry)
	}
}

// fiscalYear returns the calendar year in which the fiscal year of an instant begins.
func (s *Settings) fiscalYear(at time.Time, zone *time.Location) int {
	at = at.In(zone)
	if at.Format("01-02") < cmp.Or(s.Accounts.YearBegins, yearBegins) {
		return at.Year() - 1
	}
	return at.Year()
}

// booked is one line of an accounting entry: an account and its debit or credit.
type booked struct {
	account string
	cents   int64  // credited if above 0, debited if below
	of      string // added to the text of the line; empty: nothing
}

// entries returns the lines of a statement's entry; none where it has no
// amount.
func (s *Settings) entries(x *Statement) (list []booked) {
	a := s.Accounts
	add := func(account string, cents int64, of string) {
		if cents != 0 {
			list = append(list, booked{account, cents, of})
		}
	}
	var rent, hours, corrections int64
	for _, l := range x.Lines {
		switch l.Kind {
		case LineRent:
			rent += l.NetCents
		case LineOverage:
			hours += l.NetCents
		case LineCorrection:
			corrections += l.NetCents
		}
	}
	add(a.Customers, -x.TotalCents, "")
	add(a.Rent, rent, "")
	add(a.Hours, hours, "")
	add(a.Corrections, corrections, "corrections")
	for _, t := range x.Taxes() {
		add(a.Vat, t.VatCents, "TVA "+French.percent(t.VatPct))
	}
	return list
}

// label returns an account's name: one account has one name.
func (s *Settings) label(account string) string {
	a := s.Accounts
	switch account {
	case a.Customers:
		return "Clients"
	case a.Rent:
		return "Loyers"
	case a.Hours:
		return "Heures de coworking"
	case a.Corrections:
		return "Corrections de mois antérieurs"
	}
	return "TVA collectée"
}

type fec struct {
	to       io.Writer
	settings *Settings
	zone     *time.Location
	err      error
}

func (f *fec) line(fields ...string) {
	if f.err == nil {
		for i := range fields {
			fields[i] = word(fields[i])
		}
		_, f.err = io.WriteString(f.to, strings.Join(fields, "\t")+"\r\n")
	}
}

func (f *fec) statement(s *Statement) {
	name := cmp.Or(s.TenantName, string(s.Tenant))
	day := s.IssuedAt.In(f.zone).Format("20060102")
	a := f.settings.Accounts
	for _, b := range f.settings.entries(s) {
		aux, auxName := "", ""
		if b.account == a.Customers {
			aux, auxName = string(s.Tenant), name
		}
		debit, credit := max(0, -b.cents), max(0, b.cents)
		what := strings.TrimSpace(fmt.Sprintf("Relevé %s %s %s %s", s.ID, s.Month, name, b.of))
		f.line(a.Journal,
			a.JournalLabel,
			fmt.Sprint(s.Entry),
			day,
			b.account,
			f.settings.label(b.account),
			aux,
			auxName,
			s.ID,
			day,
			what,
			decimal(debit),
			decimal(credit),
			"",
			"",
			day,
			"",
			"",
		)
	}
}

// latin replaces letters that ISO 8859-15 lacks and that do not decompose into
// one that it has and a mark.
var latin = map[rune]string{
	'’': "'",
	'‘': "'",
	'‚': "'",
	'“': "\"",
	'”': "\"",
	'„': "\"",
	'–': "-",
	'—': "-",
	'‐': "-",
	'‑': "-",
	'−': "-",
	'…': "...",
	'•': "-",
	'′': "'",
	'Ł': "L",
	'ł': "l",
	'Đ': "D",
	'đ': "d",
	'ı': "i",
	'Ħ': "H",
	'ħ': "h",
	'Ŧ': "T",
	'ŧ': "t",
	'Ŋ': "N",
	'ŋ': "n",
	'ſ': "s",
	'ẞ': "SS",
	'‹': "<",
	'›': ">",
	'™': "TM",
	'½': "1/2",
	'¼': "1/4",
	'¾': "3/4",
	'⁄': "/",
}

// word returns a text that fits one field, in letters that ISO 8859-15 has.
func word(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) ||
			unicode.IsControl(r)
	}), " ") {
		b.WriteString(transliterated(r))
	}
	return strings.ReplaceAll(b.String(), "|", "/") // the other separator that the law names
}

func transliterated(r rune) string {
	has := func(r rune) bool {
		_, ok := charmap.ISO8859_15.EncodeRune(r)
		return ok && r != unicode.ReplacementChar
	}
	if has(r) {
		return string(r)
	}
	if s, ok := latin[r]; ok {
		return s
	}
	var b strings.Builder
	for _, part := range norm.NFKD.String(string(r)) {
		if has(part) {
			b.WriteRune(part)
		}
	}
	switch {
	case b.Len() > 0:
		return b.String()
	case unicode.In(r, unicode.Mn, unicode.Cf): // a combining mark, or nothing visible
		return ""
	}
	return "?"
}

// decimal writes cents as 1234,56.
func decimal(cents int64) string { return fmt.Sprintf("%d,%02d", cents/100, cents%100) }
