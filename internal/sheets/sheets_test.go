package sheets_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/sheets"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// office is the rights of a new installation.
type office struct {
	network *catalogue.Network
	keys    *keys.Ring
	rights  *rights.Keeper
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func open(t failer, dir string, ring *keys.Ring) office {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	if ring == nil {
		if ring, err = keys.Open(filepath.Join(dir, "keys.json"), n.Sites, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	l, err := ledger.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	k, err := rights.Open(context.Background(), catalogue.Always(n), l, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return office{n, ring, k}
}

// read imports a file for good where it has no fault.
func (o office) read(t failer, name string, data []byte, opt sheets.Options) *sheets.Report {
	t.Helper()
	d := o.rights.Draft()
	r, err := sheets.Import(context.Background(), o.network, o.keys, d, name, data, opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) == 0 {
		if err := o.rights.Commit(context.Background(), "test", d); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (o office) sound(t failer, name, data string) *sheets.Report {
	t.Helper()
	r := o.read(t, name, []byte(data), sheets.Options{})
	if len(r.Faults) > 0 {
		t.Fatalf("%s: %v", name, r.Faults)
	}
	return r
}

func newOffice(t *testing.T) office {
	o := open(t, t.TempDir(), nil)
	o.sound(t, "tenants.csv", "id,name,site\natelier,Atelier Épinal,epinal\nverriere,La Verrière,metz\n")
	return o
}

const blida = "badgeId,decimalId,firstName,lastName,date\r\n04A1B2C3,3283263748,Chloé,Meyer,31/10/2026\r\n0489ABCD,3450571012,Jean-Paul,L'Hôte,02/11/2026\r\n"

func TestTheListOfBlidaMakesMembersAndBadges(t *testing.T) {
	o := newOffice(t)
	r := o.read(t, "badges-blida.csv", []byte(blida), sheets.Options{})
	if len(r.Faults) != 2 || r.Faults[0].Line != 2 || r.Faults[0].Column != "lastName" {
		t.Fatalf("without a tenant: %+v", r.Faults)
	}
	for i, file := range [][]byte{[]byte(blida), latin1(t, strings.ReplaceAll(blida, ",", ";")), utf16(t, strings.ReplaceAll(blida, ",", "\t"))} {
		r := o.read(t, "badges-blida.csv", file, sheets.Options{Tenant: "verriere"})
		created := 0
		for _, c := range r.Changes {
			if c.Action == "create" {
				created++
			}
		}
		if want := map[bool]int{true: 4}[i == 0]; len(r.Faults) > 0 || created != want {
			t.Fatalf("time %d: %+v", i, r)
		}
	}
	book := o.rights.InForce().Book
	m, _ := book.Member("jean-paul-l-hote")
	c, _ := book.Credential("chloe-meyer-badge")
	card, _ := wire.ParseCredential("04 A1 B2 C3")
	if m.Name != "Jean-Paul L'Hôte" || m.Tenant != "verriere" || c.Lookup != wire.HashCredential(o.keys.Lookup(), card) ||
		!c.ValidFrom.Equal(time.Date(2026, 10, 30, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v %+v", m, c)
	}
	wrong := o.read(t,
		"b.csv",
		[]byte(strings.Replace(blida, "3283263748", "3283263749", 1)),
		sheets.Options{Tenant: "verriere"},
	)
	if len(wrong.Faults) != 1 || wrong.Faults[0].Line != 2 || wrong.Faults[0].Column != "decimalId" ||
		strings.Contains(wrong.Faults[0].Error(), "32832") {
		t.Errorf("%+v", wrong.Faults)
	}
}

func latin1(t *testing.T, s string) []byte {
	b, err := charmap.Windows1252.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func utf16(t *testing.T, s string) []byte {
	b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSheetsAsPeopleKeepThem(t *testing.T) {
	o := newOffice(t)
	o.sound(t,
		"Formules.csv",
		"\ufeffFormule;Comprend;Tarif horaire;Heures incluses;Arrondi;TVA\r\nNomade;coworking;3,50 €;20;15;5,5 %\r\n",
	)
	r := o.sound(t,
		"Baux 2026.csv",
		string(
			latin1(
				t,
				"Locataire;Formule;Du;Au;Loyer mensuel;Remarque\r\nAtelier Epinal;nomade;01/09/2026;31/08/2027;1 234,50 €;vu avec René\r\n",
			),
		),
	)
	if len(r.Unused) != 1 || r.Unused[0] != "Baux 2026.csv: Remarque" {
		t.Errorf("unused %v", r.Unused)
	}
	book := o.rights.InForce().Book
	p, _ := book.Plan("nomade")
	if p.HourlyRateCents != 350 || p.IncludedMinutes != 1200 || p.VatPct != 5.5 || p.RoundingMinutes != 15 ||
		p.Schedule != tenancy.Always {
		t.Errorf("%+v", p)
	}
	l, _ := book.Lease("atelier-nomade")
	if l.RentCentsMonth != 123_450 || l.StartsOn.String() != "2026-09-01" || l.EndsOn.String() != "2027-08-31" ||
		l.Site != "epinal" ||
		l.Members != nil ||
		l.Status != tenancy.Active {
		t.Errorf("%+v", l)
	}
	// Only what a file has columns for changes.
	r = o.sound(t, "loyers.csv", "sep=;\nbail;loyer\natelier-nomade;1300\n")
	want := []sheets.Change{
		{
			File:   "loyers.csv",
			Line:   3,
			Kind:   "leases",
			ID:     "atelier-nomade",
			Action: "change",
			Fields: []sheets.Field{{Column: "rent_cents_month", Before: "123450", After: "130000"}},
		},
	}
	if diff := cmp.Diff(want, r.Changes); diff != "" {
		t.Error(diff)
	}
	l.RentCentsMonth = 130_000
	if got, _ := o.rights.InForce().Book.Lease("atelier-nomade"); !cmp.Equal(got, l) {
		t.Error(cmp.Diff(l, got))
	}
}

func TestFaultsNameLineAndColumnAndNothingIsImported(t *testing.T) {
	o := newOffice(t)
	o.sound(t, "plans.csv", "id,name\nflex,Flex\n")
	before := o.rights.InForce()
	for text, want := range map[string]string{
		"Locataire;Formule;Du\natelier;flex;31/02/2026\n":                       "f.csv:2: column Du: \"31/02/2026\" does not exist in the calendar",
		"Locataire;Formule;Du\natelier;flex;02/01/2026\nnobody;flex;2026-1-1\n": "f.csv:3: column Locataire: there is no tenant",
		"tenant,plan,starts_on,ends_on\natelier,flex,2026-10-01,2026-09-01\n":   "f.csv:2: column ends_on: is before starts_on",
		"tenant,plan,rent\natelier,flex,100\n":                                  "f.csv:2: column starts_on: is missing",
		"tenant,plan,starts_on,loyer\natelier,flex,2026-10-01,\"1,2,3\"\n":      "f.csv:2: column loyer: \"1,2,3\" is not a number",
		"tenant,plan,starts_on,loyer\natelier,flex,2026-10-01,\"1,234\"\n":      "f.csv:2: column loyer: \"1,234\" may be 1,234 or 1234",
		"tenant,plan,starts_on,loyer\natelier,flex,2026-10-01,\"12,345\"\n":     "f.csv:2: column loyer: \"12,345\" may be",
		"tenant,plan,starts_on,loyer\natelier,flex,2026-10-01,\"12,3456\"\n":    "f.csv:2: column loyer: \"12,3456\" has too many decimals",
		"id,name,site\nx,X,metz\nx,Y,metz\n":                                    "f.csv:3: column id: x also occurs in line 2",
		"id,name,nom,site\nx,X,Y,metz\n":                                        "f.csv:1: column nom: means name, like another column",
		"nom;prénom;société;badge\nA;B;atelier;XYZ\n":                           "f.csv:2: column badge: is ",
		"id,name\n\"x,X\n":              "f.csv:2: a cell's quotes",
		"who,what\n1,2\n":               "f.csv:1: the first line contains no known column names",
		"":                              "f.csv:1: is empty",
		"id,name,site\nx,X,metz,more\n": "f.csv:2: has 4 cells",
		"\x00\x01":                      "f.csv: is not a text",
		"PK\x03\x04nothing":             "f.csv: is not a readable zip",
	} {
		d := o.rights.Draft()
		r, err := sheets.Import(context.Background(), o.network, o.keys, d, "f.csv", []byte(text), sheets.Options{})
		got := fmt.Sprint(err)
		if err == nil && len(r.Faults) > 0 {
			got = r.Faults[0].Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if o.rights.InForce() != before {
		t.Error("something was imported")
	}
}

// drawBook puts one or a few of each kind, with names as people have them.
func drawBook(t *rapid.T, o office) []rights.Change {
	name := func() string {
		return rapid.OneOf(
			rapid.SampledFrom([]string{"Épinal", "=1+1", "'x", " a", "a\r\nb", `'"q"`, "a;b,c|d\t", "-", "dec:1"}),
			rapid.StringN(1, 20, 60),
		).Draw(t, "name")
	}
	at := func() time.Time {
		return time.UnixMilli(rapid.Int64Range(1_700_000_000_000, 1_900_000_000_000).Draw(t, "at")).UTC()
	}
	maybe := func() *time.Time {
		if rapid.Bool().Draw(t, "bound") {
			return nil
		}
		x := at()
		return &x
	}
	hash := func(n byte) (h tenancy.CredentialHash) {
		copy(h[:], rapid.SliceOfN(rapid.Byte(), 31, 31).Draw(t, "hash"))
		h[31] = n
		return h
	}
	end := catalogue.Date(2027, 1, rapid.IntRange(1, 31).Draw(t, "end"))
	ends := &end
	if rapid.Bool().Draw(t, "endless") {
		ends = nil
	}
	from, to := at(), at()
	if to.Before(from) {
		from, to = to, from
	}
	to = to.Add(time.Millisecond)
	until := maybe()
	since := maybe()
	if until != nil && since != nil && !since.Before(*until) {
		since = nil
	}
	puts := []any{
		tenancy.Tenant{ID: "t", Name: name(), Site: "metz", Kind: "association"},
		tenancy.Member{
			ID:         "m",
			Tenant:     "t",
			Name:       name(),
			Email:      rapid.SampledFrom([]string{"", "a@example.org"}).Draw(t, "mail"),
			Roles:      rapid.SampledFrom([][]tenancy.MemberRole{{}, {tenancy.Responder}}).Draw(t, "roles"),
			StaffSites: []catalogue.SiteID{"metz", "nancy"},
		},
		tenancy.Member{ID: "n", Tenant: "t", Name: name(), Roles: []tenancy.MemberRole{}, StaffSites: []catalogue.SiteID{}},
		tenancy.Credential{
			ID:        "c",
			Member:    "m",
			Kind:      "mobile",
			Status:    tenancy.Lost,
			ValidFrom: since,
			ValidTo:   until,
			Lookup:    hash(1),
			ForList:   hash(1),
		},
		tenancy.Schedule{
			ID:       "s",
			Holidays: "open",
			Windows: rapid.SampledFrom(
				[]catalogue.Week{
					{},
					{{Days: []catalogue.Weekday{1, 0}, From: 8 * 60, To: 24 * 60}, {Days: []catalogue.Weekday{6}, From: 0, To: 30}},
				},
			).Draw(t, "windows"),
		},
		tenancy.Plan{
			ID:                 "p",
			Name:               name(),
			Includes:           []catalogue.SpaceKind{catalogue.Coworking, catalogue.FabLab},
			Roaming:            rapid.Bool().Draw(t, "roaming"),
			Schedule:           "s",
			IncludedMinutes:    5,
			HourlyRateCents:    333,
			RoundingMinutes:    1,
			GraceMinutes:       2,
			DailyCapMinutes:    3,
			InferredCapMinutes: 4,
			VatPct:             rapid.SampledFrom([]float64{0, 5.5, 20, 0.1}).Draw(t, "vat"),
		},
		tenancy.Lease{
			ID:             "l",
			Tenant:         "t",
			Site:           "metz",
			Spaces:         []catalogue.SpaceID{"metz-coworking"},
			Plan:           "p",
			StartsOn:       catalogue.Date(2026, 2, 28),
			EndsOn:         ends,
			Status:         tenancy.Suspended,
			Members:        rapid.SampledFrom([][]tenancy.MemberID{nil, {}, {"n", "m"}}).Draw(t, "members"),
			RentCentsMonth: rapid.IntRange(0, 1e6).Draw(t, "rent"),
		},
		tenancy.Pass{
			ID:        "g",
			Host:      "m",
			Name:      name(),
			Spaces:    []catalogue.SpaceID{"metz-hall"},
			ValidFrom: from,
			ValidTo:   to,
			Deleted:   rapid.Bool().Draw(t, "deleted"),
			Lookup:    hash(2),
			ForList:   hash(2),
		},
		tenancy.Event{
			ID:       "e",
			Title:    name(),
			Spaces:   []catalogue.SpaceID{"metz-hall"},
			StartsAt: from,
			EndsAt:   to,
			Audience: "invited",
			Invited:  []tenancy.MemberID{"m"},
		},
	}
	var list []rights.Change
	for _, p := range puts[:rapid.IntRange(1, len(puts)).Draw(t, "until")] {
		list = append(list, rights.Change{Put: p})
	}
	return list
}

func TestWhatIsExportedIsImportedAsItWas(t *testing.T) {
	ring := open(t, t.TempDir(), nil).keys
	rapid.Check(t, func(rt *rapid.T) {
		o, p := open(rt, t.TempDir(), ring), open(rt, t.TempDir(), ring)
		if err := o.rights.Apply(context.Background(), "test", drawBook(rt, o)...); err != nil {
			rt.Skip(err) // a name that is too long
		}
		var first, second bytes.Buffer
		if err := sheets.Export(&first, o.rights.InForce().Book, o.keys); err != nil {
			rt.Fatal(err)
		}
		if r := p.read(rt, "export.zip", first.Bytes(), sheets.Options{}); len(r.Faults) > 0 {
			rt.Fatalf("%v", r.Faults)
		}
		a, b := o.rights.InForce().Book, p.rights.InForce().Book
		for _, c := range []struct{ was, is any }{{slices.Collect(a.Tenants()), slices.Collect(b.Tenants())},
			{slices.Collect(a.Members()), slices.Collect(b.Members())},
			{slices.Collect(a.Credentials()), slices.Collect(b.Credentials())}, {slices.Collect(a.Schedules()),
				slices.Collect(b.Schedules())}, {slices.Collect(a.Plans()), slices.Collect(b.Plans())},
			{slices.Collect(a.Leases()), slices.Collect(b.Leases())}, {slices.Collect(a.Passes()),
				slices.Collect(b.Passes())}, {slices.Collect(a.Events()), slices.Collect(b.Events())}} {
			if diff := cmp.Diff(c.was, c.is); diff != "" {
				rt.Fatal(diff)
			}
		}
		if err := sheets.Export(&second, b, p.keys); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			rt.Fatal("exported again it differs", err)
		}
		if r := p.read(rt, "export.zip", first.Bytes(), sheets.Options{}); slices.ContainsFunc(r.Changes,
			func(c sheets.Change) bool { return c.Action != "keep" },
		) {
			rt.Fatalf("imported again it changes %+v", r.Changes)
		}
	})
}

func TestHashesOfAnotherInstallationAreRefused(t *testing.T) {
	o, p := newOffice(t), newOffice(t)
	o.sound(t, "b.csv", "member,uid,firstname,lastname,tenant\n,04A1B2C3,A,B,atelier\n")
	var b bytes.Buffer
	if err := sheets.Export(&b, o.rights.InForce().Book, o.keys); err != nil {
		t.Fatal(err)
	}
	r := p.read(t, "export.zip", b.Bytes(), sheets.Options{})
	if len(r.Faults) != 1 || r.Faults[0].File != "badges.csv" || r.Faults[0].Column != "keys" {
		t.Errorf("%+v", r.Faults)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil || bytes.Contains(bytes.ToUpper(text), []byte("04A1B2C3")) {
			t.Errorf("%s tells a UID (%v)", f.Name, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	o := open(f, f.TempDir(), nil)
	o.sound(f, "tenants.csv", "id,name,site\natelier,Atelier,metz\n")
	f.Add([]byte(blida), "badges.csv")
	f.Add([]byte("Locataire;Formule;Du;Loyer\natelier;flex;1/1/26;1.234,5 €\n"), "x.csv")
	f.Add([]byte("id,windows,holidays\ns,\"lundi mar 08:00-20:00; sat 09:00-12:00\",closed\n"), "schedules.csv")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		d := o.rights.Draft()
		r, err := sheets.Import(context.Background(), o.network, o.keys, d, name, data, sheets.Options{Tenant: "atelier"})
		if err != nil {
			return
		}
		for _, x := range r.Faults {
			if x.Message == "" {
				t.Errorf("%+v says nothing", x)
			}
		}
		for _, c := range r.Changes {
			if c.Line < 2 || c.ID == "" {
				t.Errorf("%+v", c)
			}
		}
	})
}
