package billing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
)

// Settings are what an operator sets about bills and rents in a YAML file: who
// issues statements, to which accounts they are booked, and how the rents of
// each kind of space follow use.
type Settings struct {
	Issuer      Issuer                              `yaml:"issuer"`
	Accounts    Accounts                            `yaml:"accounts"`
	Calibration map[catalogue.SpaceKind]Calibration `yaml:"calibration"`
	// ILAT is INSEE's index of the rents of tertiary activities by quarter, as
	// "2026-Q2".
	ILAT map[string]float64 `yaml:"ilat"`
}

// Issuer is who issues statements, as it is printed on them.
type Issuer struct {
	Name    string   `yaml:"name" json:"name"`
	Address []string `yaml:"address" json:"address,omitempty"`
	Siren   string   `yaml:"siren" json:"siren,omitempty"` // nine digits
	VatID   string   `yaml:"vat_id" json:"vat_id,omitempty"`
	Terms   string   `yaml:"terms" json:"terms,omitempty"` // terms of payment, in the language of the issuer
}

// Accounts are the accounts of the French chart of accounts to which statements
// are booked.
type Accounts struct {
	Journal      string `yaml:"journal"`
	JournalLabel string `yaml:"journal_label"`
	Customers    string `yaml:"customers"`
	Rent         string `yaml:"rent"`
	Hours        string `yaml:"hours"`
	Corrections  string `yaml:"corrections"`
	Vat          string `yaml:"vat"`
	YearBegins   string `yaml:"year_begins"` // the fiscal year's first day, as 01-01
}

const yearBegins = "01-01"

// Calibration is how the rents of one kind follow use (rules 10.3); null fields
// use the defaults.
type Calibration struct {
	Target     *float64 `yaml:"target"`
	Elasticity *float64 `yaml:"elasticity"`
	MaxChange  *float64 `yaml:"max_change"`
	IndexCap   *float64 `yaml:"index_cap"`
	Floor      *int64   `yaml:"floor"` // cents per m² and month
}

// Defaults returns the settings used where none are given: the general chart of
// accounts has 411 for customers, 7083 for rents, 706 for services, 44571 for
// VAT collected.
func Defaults(n *catalogue.Network) Settings {
	return Settings{Issuer: Issuer{Name: n.Name}, Accounts: Accounts{Journal: "VE", JournalLabel: "Ventes", Customers: "411000", Rent: "708300", Hours: "706000", Corrections: "706000", Vat: "445710", YearBegins: yearBegins}}
}

// LoadSettings reads a file of settings; an empty name means no file.
func LoadSettings(n *catalogue.Network, file string) (Settings, error) {
	if file == "" {
		return Defaults(n), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Settings{}, fmt.Errorf("billing settings: %w", err)
	}
	return ParseSettings(n, file, data)
}

// ParseSettings parses settings; an error names the file, the line and the
// field.
func ParseSettings(n *catalogue.Network, file string, data []byte) (s Settings, err error) {
	defer func() { // the library may panic on broken text
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: the YAML cannot be read", file)
		}
	}()
	s = Defaults(n)
	err = yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&s)
	var located yaml.Error
	switch {
	case errors.As(err, &located) && located.GetToken() != nil:
		return s, fmt.Errorf("%s:%d: %s", file, located.GetToken().Position.Line, located.GetMessage())
	case err != nil && !errors.Is(err, io.EOF):
		return s, fmt.Errorf("%s: %w", file, err)
	case reflect.DeepEqual(s, Settings{}): // a file of comments only
		s = Defaults(n)
	}
	var errs []error
	for _, f := range append(strays(data), s.faults()...) {
		errs = append(errs, fmt.Errorf("%s:%d: %s %s", file, lineOf(data, f.path), f.path, f.what))
	}
	return s, errors.Join(errs...)
}

// strays returns keys within a kind's block that mean nothing: the library
// ignores the whole block where one key is not a name, as the 4 of {target:
// 0,4} is.
func strays(data []byte) (list []fault) {
	var raw struct {
		Calibration map[string]map[string]any `yaml:"calibration"`
	}
	if yaml.Unmarshal(data, &raw) != nil {
		return nil // reported where it is parsed
	}
	for _, kind := range sorted(raw.Calibration) {
		for _, key := range sorted(raw.Calibration[kind]) {
			if !slices.Contains([]string{"target", "elasticity", "max_change", "index_cap", "floor"}, key) {
				list = append(list, fault{"calibration." + kind, fmt.Sprintf("contains the unknown key %q (decimals are written with a point)", key)})
			}
		}
	}
	return list
}

// lineOf returns the line in which a field like issuer.siren is set; 1 where it
// is not set.
func lineOf(data []byte, path string) int {
	p, err := yaml.PathString("$." + path)
	if err != nil {
		return 1
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return 1
	}
	node, err := p.FilterFile(f)
	if err != nil || node.GetToken() == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

type fault struct{ path, what string }

var (
	sirenForm   = regexp.MustCompile(`^\d{9}$`)
	accountForm = regexp.MustCompile(`^\d{3}[0-9A-Z]*$`)
	quarterForm = regexp.MustCompile(`^\d{4}-[QT][1-4]$`)
)

func (s *Settings) faults() (list []fault) {
	add := func(bad bool, path, what string) {
		if bad {
			list = append(list, fault{path, what})
		}
	}
	add(strings.TrimSpace(s.Issuer.Name) == "", "issuer.name", "is empty")
	add(s.Issuer.Siren != "" && !sirenForm.MatchString(s.Issuer.Siren), "issuer.siren", "is not a SIREN of nine digits")
	add(sirenForm.MatchString(s.Issuer.Siren) && !luhn(s.Issuer.Siren), "issuer.siren", "is not a SIREN: its check digit is wrong")
	_, err := time.Parse("2006-01-02", "2027-"+s.Accounts.YearBegins)
	add(err != nil, "accounts.year_begins", "is not a day of the year like 01-01")
	a := s.Accounts
	add(a.Journal == "", "accounts.journal", "is empty")
	for _, x := range [][2]string{{"customers", a.Customers}, {"rent", a.Rent}, {"hours", a.Hours}, {"corrections", a.Corrections}, {"vat", a.Vat}} {
		add(!accountForm.MatchString(x[1]), "accounts."+x[0], "is not an account number: it must begin with three digits")
	}
	for _, kind := range sorted(s.Calibration) {
		c, path := s.Calibration[kind], "calibration."+string(kind)
		add(!slices.Contains(catalogue.SpaceKinds(), kind), path, "is not a kind of space")
		add(c.Target != nil && (*c.Target <= 0 || *c.Target > 1), path+".target", "must be more than 0 and at most 1")
		add(c.Elasticity != nil && (*c.Elasticity < 0 || *c.Elasticity > 10), path+".elasticity", "must be from 0 to 10")
		add(c.MaxChange != nil && (*c.MaxChange < 0 || *c.MaxChange > 1), path+".max_change", "must be from 0 to 1")
		add(c.IndexCap != nil && (*c.IndexCap < -1 || *c.IndexCap > 1), path+".index_cap", "must be from -1 to 1")
		add(c.Floor != nil && (*c.Floor < 0 || *c.Floor > 1_000_000), path+".floor", "must be from 0 to 1000000 cents")
	}
	for _, q := range sorted(s.ILAT) {
		add(!quarterForm.MatchString(q), "ilat."+q, "is not a quarter like 2026-Q2")
		add(s.ILAT[q] <= 0, "ilat."+q, "must be more than 0")
	}
	return list
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
	a := tariff.Adjustment{Target: pick(asked.Target, own.Target, tariff.DefaultTarget), Elasticity: pick(asked.Elasticity, own.Elasticity, tariff.DefaultElasticity),
		MaxChange: pick(asked.MaxChange, own.MaxChange, tariff.DefaultMaxChange)}
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

func sorted[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
