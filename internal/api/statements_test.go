package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
)

var update = flag.Bool("update", false, "write the golden files again")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./internal/api -update writes it again):\n%s", name, got)
	}
}

// issued returns a statement with all that one can have.
func issued(t *testing.T) billing.Statement {
	t.Helper()
	at := time.Date(2026, 11, 3, 8, 15, 0, 0, time.UTC)
	day := func(d int) catalogue.Day { return catalogue.Date(2026, 10, d) }
	return billing.Statement{
		ID:         "s-000012",
		Number:     12,
		Month:      "2026-10",
		Lease:      "atelier-lease",
		Tenant:     "atelier",
		Plan:       "cowork",
		TenantName: "Atelier <Épinal> & Fils",
		PlanName:   "Coworking nomade",
		Issuer: billing.Issuer{
			Name:    "LORnTECH",
			Address: []string{"1 rue de l'Exemple", "57000 Metz"},
			Siren:   "732829320",
			VatID:   "FR00732829320",
			Terms:   "Payable à trente jours.",
		},
		IssuedAt:        &at,
		Currency:        "EUR",
		BillableMinutes: 1470,
		IncludedMinutes: 1200,
		OverageMinutes:  270,
		RentCents:       123_456,
		OverageCents:    1350,
		HourlyCents:     300,
		VatPct:          20,
		Lines: []billing.Line{
			{Kind: billing.LineRent, Month: "2026-10", NetCents: 123_456},
			{Kind: billing.LineOverage, Month: "2026-10", Minutes: 270, NetCents: 1350},
			{
				Kind:     billing.LineCorrection,
				Month:    "2026-09",
				Minutes:  75,
				NetCents: 375,
				VatCents: 75,
				Cause:    billing.CauseLate + ", " + billing.CauseCorrected,
				Days: []billing.Used{
					{Day: catalogue.Date(2026, 9, 7), Minutes: -15},
					{Day: catalogue.Date(2026, 9, 21), Minutes: 90},
				},
			},
			{Kind: billing.LineCorrection, Month: "2026-08", NetCents: -500, VatCents: -100, Cause: billing.CauseTerms},
		},
		Days: []billing.Used{
			{Day: day(6), Minutes: 540},
			{Day: day(7), Minutes: 480},
			{Day: day(25), Minutes: 450},
		},
		NetCents:   124_681,
		VatCents:   24_936,
		TotalCents: 149_617,
		Entry:      7,
	}
}

func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestStatementsAreWrittenAsTheyAlwaysWere(t *testing.T) {
	s, zone := issued(t), paris(t)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "statement.json", text)
	for name, body := range map[string]statementBody{"en": {Statement: s, lang: billing.English, zone: zone}, "fr": {Statement: s, fr: true, lang: billing.French, zone: zone}} {
		var table, page bytes.Buffer
		if err := marshalCSV(&table, body); err != nil {
			t.Fatal(err)
		}
		golden(t, "statement-"+name+".csv", table.Bytes())
		if err := marshalHTML(&page, body); err != nil {
			t.Fatal(err)
		}
		golden(t, "statement-"+name+".html", page.Bytes())
	}
	var entries bytes.Buffer
	settings := billing.Defaults(&catalogue.Network{Name: "LORnTECH"})
	if err := settings.FEC(&entries, []billing.Statement{s}, zone); err != nil {
		t.Fatal(err)
	}
	golden(t, "journal.txt", entries.Bytes())
	checkFEC(t, entries.String())
}

// The forms of article A47 A-1 of the Livre des procédures fiscales, column by
// column: its eighteen, in its order.
var legal = []struct {
	name string
	form *regexp.Regexp
}{
	{
		"JournalCode",
		filled,
	},
	{"JournalLib", filled},
	{"EcritureNum", filled},
	{"EcritureDate", date},
	{"CompteNum", regexp.MustCompile(`^\d{3}\w*$`)},
	{"CompteLib", filled},
	{
		"CompAuxNum",
		any1,
	},
	{"CompAuxLib", any1},
	{"PieceRef", filled},
	{"PieceDate", date},
	{"EcritureLib", filled},
	{"Debit", amount},
	{"Credit", amount},
	{
		"EcritureLet",
		any1,
	},
	{"DateLet", regexp.MustCompile(`^(\d{8})?$`)},
	{"ValidDate", date},
	{"Montantdevise", regexp.MustCompile(`^(-?\d+,\d{2})?$`)},
	{"Idevise", any1},
}

var (
	filled = regexp.MustCompile(`^[^|]+$`)
	any1   = regexp.MustCompile(`^[^|]*$`)
	date   = regexp.MustCompile(`^20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$`)
	amount = regexp.MustCompile(`^\d+,\d{2}$`)
)

// checkFEC holds a file to the legal columns, forms and balances.
func checkFEC(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n")
	var names []string
	for _, c := range legal {
		names = append(names, c.name)
	}
	if lines[0] != strings.Join(names, "\t") {
		t.Errorf("columns %q", lines[0])
	}
	balance := map[string]int64{}
	for _, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		if len(fields) != len(legal) {
			t.Fatalf("%d fields in %q", len(fields), line)
		}
		for i, c := range legal {
			if !c.form.MatchString(fields[i]) {
				t.Errorf("%s is %q in %q", c.name, fields[i], line)
			}
		}
		debit, credit := centsOf(t, fields[11]), centsOf(t, fields[12])
		if debit != 0 && credit != 0 || debit == 0 && credit == 0 {
			t.Errorf("debit and credit of %q", line)
		}
		balance[fields[2]] += debit - credit
	}
	for entry, left := range balance {
		if left != 0 {
			t.Errorf("entry %s is out by %d cents", entry, left)
		}
	}
}

func centsOf(t *testing.T, s string) int64 {
	t.Helper()
	n := json.Number(strings.Replace(s, ",", "", 1))
	v, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
