package sheets_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/sheets"
	"github.com/lorntech/totem/internal/tenancy"
)

// told shows a report as a person would tell of it.
func told(r *sheets.Report, err error) (said []string) {
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range r.Faults {
		said = append(said, f.Error())
	}
	for _, c := range r.Changes {
		if len(r.Faults) > 0 || c.Action == "keep" {
			continue
		}
		var fields []string
		for _, f := range c.Fields {
			fields = append(fields, f.Column+" "+f.After)
		}
		said = append(said, fmt.Sprintf("%s %s %s: %s", c.Action, c.Kind, c.ID, strings.Join(fields, ", ")))
	}
	return said
}

// TestSheetsOfRealOffices reads one file after the other into the same office.
func TestSheetsOfRealOffices(t *testing.T) {
	o := newOffice(t)
	o.sound(t, "plans.csv", "name,includes\nNomade,coworking\n")
	o.sound(t, "members.csv", "tenant,name\nverriere,Jean Martin\natelier,Jean Martin\nverriere,Chloé Meyer\n")
	for _, c := range []struct {
		why, file string
		want      []string
	}{
		{"headers as a secretary writes them", "Prénom;Nom;N° de badge;Date de début;Date de fin\nChloé;Meyer;04:A1:B2:C3;31/10/2026;31/12/2026\n",
			[]string{"create badges chloe-meyer-badge: member chloe-meyer, kind card, status active, valid_from 2026-10-30T23:00:00.000Z, valid_to 2026-12-31T23:00:00.000Z, uid (set)"}},
		{"a badge's number tells of badges, its last day is included", "Nom;Prénom;Société;Badge;Courriel\nRoi;Eva;La Verrière;04A1B2D1;eva@example.org\n",
			[]string{"create members eva-roi: name Eva Roi, tenant verriere", "create badges eva-roi-badge: member eva-roi, kind card, status active, uid (set)"}},
		{"what may be tenants or members is asked back", "id;nom\nx;X\n", []string{"f.csv:1: may be tenants or members or plans by its columns: name the kind"}},
		{"thousands or decimals", "Locataire;Formule;Du;Loyer mensuel\nverriere;Nomade;01/09/2026;1.500 €\n", []string{`f.csv:2: column Loyer mensuel: "1.500 €" may be 1,500 or 1500: write it without a separator, or with two decimals`}},
		{"the rent without VAT", "Locataire;Formule;Début;Fin;Loyer mensuel HT\nLa Verrière;Nomade;01/09/2026;31/08/2027;450,00\n",
			[]string{"create leases verriere-nomade: tenant verriere, site metz, plan nomade, starts_on 2026-09-01, ends_on 2027-08-31, status active, rent_cents_month 45000"}},
		{"next year's lease is another", "Locataire;Formule;Début;Fin;Loyer\nLa Verrière;Nomade;01/09/2027;31/08/2028;460\n",
			[]string{"create leases verriere-nomade-2027-09-01: tenant verriere, site metz, plan nomade, starts_on 2027-09-01, ends_on 2028-08-31, status active, rent_cents_month 46000"}},
		{"the same again is kept, a new rent is a change", "Locataire;Formule;Début;Fin;Loyer\nLa Verrière;Nomade;01/09/2027;31/08/2028;470\n", []string{"change leases verriere-nomade-2027-09-01: rent_cents_month 47000"}},
		{"a slip in the date is not paid twice", "Locataire;Formule;Début;Fin;Loyer\nLa Verrière;Nomade;02/09/2027;31/08/2028;470\n",
			[]string{"f.csv:2: column Début: lease verriere-nomade-2027-09-01 of the same tenant and plan covers that day: give its id to change it, or end it before"}},
		{"which of two leases", "Locataire;Formule;Loyer\nLa Verrière;Nomade;470\n", []string{"f.csv:2: column Formule: there are 2 such leases: give the id, or when it starts"}},
		{"a year of the last century", "Membre;Badge;Du\nchloe-meyer;04A1B2D9;31/10/99\n", []string{`f.csv:2: column Du: "31/10/99": write the year in four digits`}},
		{"minutes or hours", "Formule;Minutes incluses;Heures incluses\nPack;90;\nPack 2;;2\n", []string{"create plans pack: name Pack, roaming false, schedule always, included_minutes 90, hourly_rate_cents 0, rounding_minutes 0, grace_minutes 0, daily_cap_minutes 0, inferred_cap_minutes 0, vat_pct 0",
			"create plans pack-2: name Pack 2, roaming false, schedule always, included_minutes 120, hourly_rate_cents 0, rounding_minutes 0, grace_minutes 0, daily_cap_minutes 0, inferred_cap_minutes 0, vat_pct 0"}},
		{"minutes against hours", "Formule;Minutes incluses;Heures incluses\nPack;90;2\n", []string{"f.csv:2: column Heures incluses: differs from included_minutes"}},
		{"lines as Macintosh ends them", "Société;Site;Type\rMac SARL;Metz;asso\r", []string{"create tenants mac-sarl: name Mac SARL, site metz, kind association"}},
		{"a header and nothing else", "Société;Site;Type\n", []string{"f.csv:1: has no rows below its header"}},
		{"zeros that a spreadsheet ate", "badgeId;decimalId;firstName;lastName;date\n112233;;Chloé;Meyer;\n", []string{"f.csv:2: column badgeId: has 3 bytes, a badge's UID has 4, 7 or 10: did a spreadsheet remove zeros from its beginning?"}},
		{"every faulty row tells its own fault", "badgeId;decimalId;firstName;lastName;date\n04A1B2D1;3,51848E+09;Eva;Roi;31/10/2026\n04A1B2D2;3 534 921 988;Eva;Roi;31/10/2026\n04A1B2D5;;Eva;Roi;31/13/2026\n",
			[]string{"f.csv:2: column decimalId: is not a whole number: format the column as text", `f.csv:4: column date: "31/13/2026" does not exist in the calendar: dates are day/month/year or year-month-day`}},
		{"one badge twice", "badgeId;decimalId;firstName;lastName;date\n04A1B2F1;;Eva;Roi;\n04A1B2F1;;Chloé;Meyer;\n", []string{"f.csv:3: column badgeId: is the same as in line 2; if they are different records, give both an id"}},
		{"a badge that changed hands", "badgeId;decimalId;firstName;lastName;date\n04A1B2D1;;Chloé;Meyer;\n", []string{"f.csv:2: column lastName: a credential's member never changes: create another credential"}},
		{"two of one name", "Membre;Badge\nJean Martin;04BBBBBB\n", []string{`f.csv:2: column Membre: 2 records are called "Jean Martin": give the id`}},
		{"two of one name, and whose", "Membre;Société;Badge\nJean Martin;Atelier Épinal;04BBBBBB\n", []string{"create badges jean-martin-2-badge: member jean-martin-2, kind card, status active, uid (set)"}},
		{"a member of others", "Membre;Société;Badge\nchloe-meyer;Atelier Épinal;04BBBBBD\n", []string{"f.csv:2: column Société: the badge's member chloe-meyer belongs to the tenant verriere"}},
		{"the header is not always the first line", "sep=;\nid;name;nom;site\nx;X;Y;metz\n", []string{"f.csv:2: column nom: means name, like another column"}},
		{"a quote within a cell", "Société;Site\nSociété \"Le Coin\";Metz\n", []string{`f.csv:2: a cell has a quote (") within it: put the whole cell in quotes, and double the one within`}},
		{"a rent below nothing", "Locataire;Formule;Début;Loyer\natelier;Nomade;01/09/2026;-5\n", []string{"f.csv:2: column Loyer: is negative"}},
		{"a name that no id can be made of", "Prénom;Nom;Société\nЮлия;Иванова;atelier\n", []string{`f.csv:2: column Nom: no id can be made from "Юлия Иванова": give one in a column id`}},
		{"long names that begin alike", "Société;Site;Type\nTrès longue association pour la promotion du patrimoine industrial lorrain de Metz;Metz;asso\nTrès longue association pour la promotion du patrimoine industrial lorrain de Nancy;Nancy;asso\n",
			[]string{"create tenants tres-longue-association-pour-la-promotion-du-patrimoine-indu: name Très longue association pour la promotion du patrimoine industrial lorrain de Metz, site metz, kind association",
				"create tenants tres-longue-association-pour-la-promotion-du-patrimoine-indu-2: name Très longue association pour la promotion du patrimoine industrial lorrain de Nancy, site nancy, kind association"}},
		{"an event each month", "Titre;Espaces;Début;Fin;Public\nYoga;metz-hall;12/12/2026;12/12/2026;public\nYoga;metz-hall;09/01/2027 18:00;09/01/2027 20:00;public\n",
			[]string{"create events yoga-2026-12-12: title Yoga, spaces metz-hall, starts_at 2026-12-11T23:00:00.000Z, ends_at 2026-12-12T23:00:00.000Z, audience public",
				"create events yoga-2027-01-09: title Yoga, spaces metz-hall, starts_at 2027-01-09T17:00:00.000Z, ends_at 2027-01-09T19:00:00.000Z, audience public"}},
		{"a lease's people by name, a plan's spaces as people say", "Formule;Comprend\nSalles;Coworking, Salle de réunion\n", []string{"create plans salles: name Salles, includes coworking meeting-room, roaming false, schedule always, included_minutes 0, hourly_rate_cents 0, rounding_minutes 0, grace_minutes 0, daily_cap_minutes 0, inferred_cap_minutes 0, vat_pct 0"}},
		{"a lease's people", "Bail;Locataire;Formule;Début;Membres\nl9;La Verrière;Salles;01/01/2026;Chloé Meyer, Eva Roi\n", []string{"create leases l9: tenant verriere, site metz, plan salles, starts_on 2026-01-01, status active, members chloe-meyer eva-roi, rent_cents_month 0"}},
	} {
		d := o.rights.Draft()
		r, err := sheets.Import(context.Background(), o.network, o.keys, d, "f.csv", []byte(c.file), sheets.Options{})
		if diff := cmp.Diff(c.want, told(r, err)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.why, diff)
		}
		if err != nil || len(r.Faults) > 0 {
			continue
		}
		if err := o.rights.Commit(context.Background(), "test", d); err != nil {
			t.Fatal(err)
		}
		if again := told(
			sheets.Import(context.Background(), o.network, o.keys, o.rights.Draft(), "f.csv", []byte(c.file), sheets.Options{}),
		); len(again) > 0 {
			t.Errorf("%s: read again it changes %q", c.why, again)
		}
	}
}

func TestTheImportsTenantMayBeNamed(t *testing.T) {
	o := newOffice(t)
	for tenant, want := range map[string]string{"La Verriere": "create members eva-roi: tenant verriere, name Eva Roi", "verriere": "create members eva-roi: tenant verriere, name Eva Roi", "Nobody": `f.csv: the import's tenant: there is no tenant "Nobody"`} {
		got := told(
			sheets.Import(
				context.Background(),
				o.network,
				o.keys,
				o.rights.Draft(),
				"f.csv",
				[]byte("Prénom;Nom;Courriel\nEva;Roi;\n"),
				sheets.Options{Tenant: tenancy.TenantID(tenant)},
			),
		)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", tenant, got, want)
		}
	}
}

// zipped makes an archive of files.
func zipped(t *testing.T, files map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchivesThatAreNoExport(t *testing.T) {
	o := newOffice(t)
	for want, files := range map[string]map[string]string{
		"liste.xlsx: is an Excel workbook: save the sheet as CSV":           {"[Content_Types].xml": "<x/>", "xl/workbook.xml": "<x/>"},
		"liste.xlsx: is an OpenDocument spreadsheet: save the sheet as CSV": {"mimetype": "application/vnd.oasis.opendocument.spreadsheet"},
		"create tenants mac: name Mac, site metz, kind company":             {"tenants.csv": "name,site\nMac,metz\n", "__MACOSX/._tenants.csv": "\x00\x01", ".DS_Store": "\x00"},
	} {
		got := told(
			sheets.Import(
				context.Background(),
				o.network,
				o.keys,
				o.rights.Draft(),
				"liste.xlsx",
				zipped(t, files),
				sheets.Options{},
			),
		)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// BenchmarkImport reads a list of 3,000 people who are new.
func BenchmarkImport(b *testing.B) {
	o := open(b, b.TempDir(), nil)
	o.sound(b, "tenants.csv", "id,name,site\nverriere,La Verrière,metz\n")
	var list strings.Builder
	list.WriteString("badgeId;firstName;lastName;date\n")
	for i := range 3000 {
		fmt.Fprintf(
			&list,
			"04%06X;Prénom %d;Nom %d;%s\n",
			i,
			i,
			i,
			time.Date(2026, 1, 1+i%28, 0, 0, 0, 0, time.UTC).Format("02/01/2006"),
		)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := sheets.Import(
			context.Background(),
			o.network,
			o.keys,
			o.rights.Draft(),
			"b.csv",
			[]byte(list.String()),
			sheets.Options{Tenant: "verriere"},
		)
		if err != nil || len(r.Faults) > 0 {
			b.Fatal(err, r.Faults)
		}
	}
}
