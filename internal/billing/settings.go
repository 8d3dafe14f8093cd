package billing

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/yamldoc"
)

// Settings are what an operator sets about bills and rents in a YAML file: who
// issues statements, to which accounts they are booked, and how the rents of
// each kind of space follow use.
type Settings struct {
	Issuer      Issuer
	Accounts    Accounts
	Calibration map[catalogue.SpaceKind]Calibration
	// ILAT is INSEE's index of the rents of tertiary activities by quarter, as
	// "2026-Q2".
	ILAT map[string]float64
}

// Issuer is who issues statements, as it is printed on them.
type Issuer struct {
	Name    string   `json:"name"`
	Address []string `json:"address,omitempty"`
	Siren   string   `json:"siren,omitempty"` // nine digits
	VatID   string   `json:"vat_id,omitempty"`
	Terms   string   `json:"terms,omitempty"` // terms of payment, in the language of the issuer
	// Required: nothing is issued while Missing names anything.
	Required bool `json:"-"`
}

// Missing names the fields that an invoice must have about its issuer and that are empty
// (code de commerce L441-9, CGI annexe II 242 nonies A).
func (x Issuer) Missing() (fields []string) {
	for _, f := range []struct {
		name string
		has  bool
	}{{"name", x.Name != ""}, {"address", len(x.Address) > 0}, {"siren", x.Siren != ""}} {
		if !f.has {
			fields = append(fields, "issuer."+f.name)
		}
	}
	return fields
}

// Accounts are the accounts of the French chart of accounts to which statements
// are booked.
type Accounts struct {
	Journal      string
	JournalLabel string
	Customers    string
	Rent         string
	Hours        string
	Corrections  string
	Vat          string
	YearBegins   string // the fiscal year's first day, as 01-01
}

const yearBegins = "01-01"

// Calibration is how the rents of one kind follow use (rules 10.3); null fields
// use the defaults.
type Calibration struct {
	Target     *float64
	Elasticity *float64
	MaxChange  *float64
	IndexCap   *float64
	Floor      *int64 // cents per m² and month
}

// Defaults returns the settings used where none are given: the general chart of
// accounts has 411 for customers, 7083 for rents, 706 for services, 44571 for
// VAT collected.
func Defaults(n *catalogue.Network) Settings {
	return Settings{
		Issuer: Issuer{Name: n.Name},
		Accounts: Accounts{
			Journal:      "VE",
			JournalLabel: "Ventes",
			Customers:    "411000",
			Rent:         "708300",
			Hours:        "706000",
			Corrections:  "706000",
			Vat:          "445710",
			YearBegins:   yearBegins,
		},
	}
}

// LoadSettings reads a file of settings; an empty name means no file.
func LoadSettings(n *catalogue.Network, file string) (Settings, error) {
	if file == "" {
		return Defaults(n), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Settings{}, err
	}
	return ParseSettings(n, file, data)
}

// ParseSettings parses settings; an error names the file, the line and the
// field.
func ParseSettings(n *catalogue.Network, file string, data []byte) (Settings, error) {
	d := yamldoc.New(file)
	d.MayBeEmpty = true
	s := Defaults(n)
	if root := d.Root(data,
		"a file of billing settings",
		[]string{"issuer", "accounts", "calibration", "ilat"},
	); root != nil {
		s.readIssuer(root.Mapping("issuer", "an issuer", []string{"name", "address", "siren", "vat_id", "terms", "required"}))
		s.readAccounts(root)
		s.readCalibration(root.Mapping("calibration", "calibration", nil))
		s.readILAT(root.Mapping("ilat", "ilat", nil))
	}
	return s, yamldoc.Report(file, d.Faults)
}

var (
	sirenForm   = regexp.MustCompile(`^\d{9}$`)
	accountForm = regexp.MustCompile(`^\d{3}[0-9A-Z]*$`)
	quarterForm = regexp.MustCompile(`^\d{4}-[QT][1-4]$`)
)

// readText sets a text where the field is there.
func readText(o *yamldoc.Object, name string, into *string) {
	if o.Has(name) {
		*into = o.Optional(name)
	}
}

func (s *Settings) readIssuer(o *yamldoc.Object) {
	x := &s.Issuer
	readText(o, "name", &x.Name)
	readText(o, "siren", &x.Siren)
	readText(o, "vat_id", &x.VatID)
	x.Terms = o.Block("terms")
	x.Address = o.TextList("address")
	x.Required = o.Flag("required")
	switch {
	case x.Siren == "":
	case !sirenForm.MatchString(x.Siren):
		o.Fail("siren", "is not a SIREN of nine digits")
	case !luhn(x.Siren):
		o.Fail("siren", "is not a SIREN: its check digit is wrong")
	}
}

func (s *Settings) readAccounts(root *yamldoc.Object) {
	a := &s.Accounts
	numbers := []struct {
		name string
		into *string
	}{{"customers", &a.Customers}, {"rent", &a.Rent}, {"hours", &a.Hours}, {"corrections", &a.Corrections}, {"vat",
		&a.Vat}}
	known := []string{"journal", "journal_label", "year_begins"}
	for _, n := range numbers {
		known = append(known, n.name)
	}
	o := root.Mapping("accounts", "accounts", known)
	readText(o, "journal", &a.Journal)
	readText(o, "journal_label", &a.JournalLabel)
	readText(o, "year_begins", &a.YearBegins)
	for _, n := range numbers {
		if readText(o, n.name, n.into); !accountForm.MatchString(*n.into) && *n.into != "" {
			o.Fail(n.name, "is not an account number: it must begin with three digits")
		}
	}
	if _, err := time.Parse("2006-01-02", "2027-"+a.YearBegins); err != nil {
		o.Fail("year_begins", "is not a day of the year like 01-01")
	}
}

func (s *Settings) readCalibration(o *yamldoc.Object) {
	for _, name := range o.Names() {
		if !slices.Contains(catalogue.SpaceKinds(), catalogue.SpaceKind(name)) {
			o.Fail(name, "is not a kind of space")
			continue
		}
		k := o.Mapping(name, "a kind", []string{"target", "elasticity", "max_change", "index_cap", "floor"})
		c := Calibration{
			Target:     k.Number("target"),
			Elasticity: k.Number("elasticity"),
			MaxChange:  k.Number("max_change"),
			IndexCap:   k.Number("index_cap"),
		}
		within := func(field string, v *float64, least, most float64) {
			if v != nil && !(*v >= least && *v <= most) { // not a number is outside too
				k.Fail(field, "must be from %g to %g", least, most)
			}
		}
		if c.Target != nil && !(*c.Target > 0 && *c.Target <= 1) {
			k.Fail("target", "must be more than 0 and at most 1")
		}
		within("elasticity", c.Elasticity, 0, 10)
		within("max_change", c.MaxChange, 0, 1)
		within("index_cap", c.IndexCap, -1, 1)
		if k.Has("floor") {
			floor := int64(k.WholeOr("floor", 0, 1_000_000, 0))
			c.Floor = &floor
		}
		if s.Calibration == nil {
			s.Calibration = map[catalogue.SpaceKind]Calibration{}
		}
		s.Calibration[catalogue.SpaceKind(name)] = c
	}
}

func (s *Settings) readILAT(o *yamldoc.Object) {
	for _, quarter := range o.Names() {
		if !quarterForm.MatchString(quarter) {
			o.Fail(quarter, "is not a quarter like 2026-Q2")
			continue
		}
		v := o.Number(quarter)
		if v == nil || !(*v > 0) || math.IsInf(*v, 1) {
			o.Fail(quarter, "must be more than 0")
			continue
		}
		if s.ILAT == nil {
			s.ILAT = map[string]float64{}
		}
		s.ILAT[quarter] = *v
	}
}

// luhn reports whether the digits' check digit is right.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// Index is the change of the ILAT that limits rents.
type Index struct {
	From, To string // quarters, a year apart
	Change   float64
}

// IndexAt returns the ILAT's change over the year up to its newest quarter in
// the table that had ended by then; ok is false where the table has no such
// pair of quarters.
func (s *Settings) IndexAt(t time.Time) (x Index, ok bool) {
	table := map[int]float64{}
	newest := -1
	for q, v := range s.ILAT {
		i := quarterIndex(q)
		table[i] = v
		if ended := i < t.Year()*4+(int(t.Month())-1)/3; ended && i > newest {
			newest = i
		}
	}
	before, ok := table[newest-4]
	if newest < 0 || !ok {
		return Index{}, false
	}
	// Rounded to six decimals, as factors are written: 102.34 / 100 is 0.0234
	// more.
	change, _ := strconv.ParseFloat(strconv.FormatFloat(table[newest]/before-1, 'f', 6, 64), 64)
	return Index{quarter(newest - 4), quarter(newest), change}, true
}

func quarterIndex(q string) int {
	year, _ := strconv.Atoi(q[:4]) // its form was checked when it was parsed
	return year*4 + int(q[6]-'1')
}

func quarter(i int) string { return fmt.Sprintf("%04d-Q%d", i/4, i%4+1) }

// Adjustment returns how the rents of a kind follow use: values of the request
// come before the settings of the kind, those before the index and the
// defaults.
func (s *Settings) Adjustment(kind catalogue.SpaceKind, asked Calibration, index *float64) tariff.Adjustment {
	own := s.Calibration[kind]
	pick := func(asked, own *float64, otherwise float64) float64 {
		switch {
		case asked != nil:
			return *asked
		case own != nil:
			return *own
		}
		return otherwise
	}
	a := tariff.Adjustment{
		Target:     pick(asked.Target, own.Target, tariff.DefaultTarget),
		Elasticity: pick(asked.Elasticity, own.Elasticity, tariff.DefaultElasticity),
		MaxChange:  pick(asked.MaxChange, own.MaxChange, tariff.DefaultMaxChange),
	}
	for _, c := range []*float64{asked.IndexCap, own.IndexCap, index} {
		if c != nil {
			a.IndexCap = c
			break
		}
	}
	if a.Floor = asked.Floor; a.Floor == nil {
		a.Floor = own.Floor
	}
	return a
}
