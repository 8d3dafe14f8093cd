package sheets_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/sheets"
)

// TestWhatPeopleSendIsReadOrTold reads what accountants, managers and tenants
// have sent: each is read right, or told in the words of the file.
func TestWhatPeopleSendIsReadOrTold(t *testing.T) {
	for _, c := range []struct {
		file, why string
		want      string // that the changes show
		told      string // that a warning or a fault shows
	}{
		{"01", "with both signs only one reading is left", "rent_cents_month 123450", ""},
		{"02", "a share that lost its percent sign", "", "column TVA: \"0,2\" is a VAT of less than 1 %"},
		{"03", "decimal numbers of cards", "", "column N° de badge: \"3283263748\" is read as hex"},
		{"04", "a number that a spreadsheet rounded", "", "column decimalId: \"36028797018963900\" ends in zeros"},
		{"05", "letters as Macintosh writes them", "name Éloïse Trois", ""},
		{"06", "a column of money that is not understood", "", "column Loyer TTC"},
		{"07", "a date cell with a time format", "starts_on 2026-10-31, ends_on 2026-12-31", ""},
		{"08", "one office let twice", "", "f.csv:3: column Espaces: \"metz-bureau-101\" is let to t on the same days"},
		{"09", "what a header says beside", "plan bureau, starts_on 2026-11-01, status active, rent_cents_month 45000", ""},
		{"10", "a title above the header", "create members alpha-un: tenant t, name Alpha Un", ""},
	} {
		o := newOffice(t)
		o.sound(t, "tenants.csv", "id,name,site,kind\nt,T,metz,company\nu,U,metz,company\n")
		o.sound(t, "plans.csv", "id,name\nbureau,Bureau\n")
		data, err := os.ReadFile("testdata/cases/" + c.file + ".csv")
		if err != nil {
			t.Fatal(err)
		}
		r, err := sheets.Import(
			context.Background(),
			o.network,
			o.keys,
			o.rights.Draft(),
			"f.csv",
			data,
			sheets.Options{Tenant: "t"},
		)
		said := strings.Join(told(r, err), "\n")
		var warned []string
		if r != nil {
			for _, w := range r.Warnings {
				warned = append(warned, w.String())
			}
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%s, %s: %s, want %s", c.file, c.why, said, c.want)
		}
		if all := strings.Join(warned, "\n"); !strings.Contains(all+said, c.told) || c.told == "" && all != "" {
			t.Errorf("%s, %s: told %s\n%s, want %q", c.file, c.why, all, said, c.told)
		}
	}
}

func TestMoreSlipsAreTold(t *testing.T) {
	o := newOffice(t)
	o.sound(t, "members.csv", "tenant,name\natelier,Chloé Meyer\n")
	for _, c := range []struct{ file, told string }{
		{"Nom complet;Société\nMeyer Chloé;atelier\n", `is the name of member chloe-meyer with first and last name swapped`},
		{"Membre;Badge\nchloe-meyer;123-45678\n", `"123-45678" is read as hex`},
		{"Membre;Badge\nchloe-meyer;12-04-2026\n", `"12-04-2026" is read as hex`},
		{"Membre;Badge\nchloe-meyer;06 12 34 56 78\n", `"06 12 34 56 78" is read as hex`},
		{"Membre;Badge;Date de fin\nchloe-meyer;04A1B2C3;31/12/3026\n", `"31/12/3026" lies before 1990 or after 2100`},
		{"Prenom;Nom;Locataire\n\xf4\xc5\xd3\xd4ov;X;atelier\n", "encoding"},
		{"a;b\nlocataire;prénom;nom\natelier;Alpha;Un\n", "is above line 2"},
	} {
		r, err := sheets.Import(
			context.Background(),
			o.network,
			o.keys,
			o.rights.Draft(),
			"f.csv",
			[]byte(c.file),
			sheets.Options{},
		)
		said := strings.Join(told(r, err), "\n")
		if r != nil {
			for _, w := range r.Warnings {
				said += w.String()
			}
		}
		if !strings.Contains(said, c.told) {
			t.Errorf("%q: %s, want %s", c.file, said, c.told)
		}
	}
	for _, sound := range []string{"SEP=;\nMembre;Badge\nchloe-meyer;04A1B2C3\n", "Membre;Badge\nchloe-meyer;dec:3283263748\n", "Membre;Badge\nchloe-meyer;55:66:77:11\n",
		"Membre;Badge;decimalId\nchloe-meyer;12345678;2018915346\n", "Membre;Badge;Prix\nchloe-meyer;04A1B2C3;\n"} {
		if r, err := sheets.Import(
			context.Background(),
			o.network,
			o.keys,
			o.rights.Draft(),
			"f.csv",
			[]byte(sound),
			sheets.Options{},
		); err != nil ||
			len(r.Faults)+len(r.Warnings) > 0 {
			t.Errorf("%q: %v %+v", sound, err, r)
		}
	}
}
