package bills

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// FECColumns are those of a fichier des écritures comptables, in the order of
// article A47 A-1 of the Livre des procédures fiscales.
var FECColumns = []string{"JournalCode", "JournalLib", "EcritureNum", "EcritureDate", "CompteNum", "CompteLib", "CompAuxNum", "CompAuxLib", "PieceRef",
	"PieceDate", "EcritureLib", "Debit", "Credit", "EcritureLet", "DateLet", "ValidDate", "Montantdevise", "Idevise"}

// FECName is how such a file is called: SIREN, FEC, the day of its end.
func (s *Settings) FECName(end time.Time) string {
	siren := s.Issuer.Siren
	if siren == "" {
		siren = "000000000"
	}
	return siren + "FEC" + end.Format("20060102") + ".txt"
}

// FEC writes issued statements as the entries of a sales journal that French
// accounting packages import: tabs, decimal commas, dates as 20261103, ISO
// 8859-15. Each statement is one entry, whose debits and credits are equal: the
// customer owes the total; rent, hours, corrections and VAT are credited, or
// debited where they are given back. zone is that of its dates.
func (s *Settings) FEC(w io.Writer, list []Statement, zone *time.Location) error {
	out := &fec{to: encoding.ReplaceUnsupported(charmap.ISO8859_15.NewEncoder()).Writer(w), settings: s, zone: zone}
	out.line(FECColumns...)
	for i := range list {
		out.statement(&list[i])
	}
	return out.err
}

type fec struct {
	to       io.Writer
	settings *Settings
	zone     *time.Location
	err      error
}

func (f *fec) line(fields ...string) {
	if f.err == nil {
		_, f.err = io.WriteString(f.to, strings.Join(fields, "\t")+"\r\n")
	}
}

func (f *fec) statement(s *Statement) {
	name := cmp.Or(s.TenantName, string(s.Tenant))
	day := s.IssuedAt.In(f.zone).Format("20060102")
	a := f.settings.Accounts
	what := fmt.Sprintf("Relevé %s %s %s", s.ID, s.Month, name)
	entry := func(account, label, aux, auxLabel string, cents int64) {
		if cents == 0 {
			return
		}
		debit, credit := int64(0), cents
		if cents < 0 {
			debit, credit = -cents, 0
		}
		f.line(word(a.Journal), word(a.JournalLabel), fmt.Sprint(s.Number), day, account, label, aux, word(auxLabel), s.ID, day, word(what),
			decimal(debit), decimal(credit), "", "", day, "", "")
	}
	var rent, hours, corrections int64
	for _, l := range s.Lines {
		switch l.Kind {
		case LineRent:
			rent += l.NetCents
		case LineOverage:
			hours += l.NetCents
		case LineCorrection:
			corrections += l.NetCents
		}
	}
	entry(a.Customers, "Clients", string(s.Tenant), name, -s.TotalCents)
	entry(a.Rent, "Loyers", "", "", rent)
	entry(a.Hours, "Heures de coworking", "", "", hours)
	entry(a.Corrections, "Corrections de mois antérieurs", "", "", corrections)
	entry(a.Vat, "TVA collectée", "", "", s.VatCents)
}

// word keeps a text to one field.
func word(s string) string { return strings.Join(strings.Fields(s), " ") }

// decimal writes cents as 1234,56.
func decimal(cents int64) string { return fmt.Sprintf("%d,%02d", cents/100, cents%100) }
