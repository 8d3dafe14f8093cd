package billing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
)

var lorntech = &catalogue.Network{Name: "LORnTECH"}

const sound = `issuer:
  name: LORnTECH
  address: [1 rue de l'Exemple, 57000 Metz]
  siren: "732829320"
calibration:
  coworking: {target: 0.5, index_cap: 0.01}
  private-office: {elasticity: 1}
ilat:
  2024-Q4: 100
  2025-Q2: 120
  2025-Q4: 102.5
  2026-Q2: 121.2
`

func TestAnIssuerSaysWhatIsMissing(t *testing.T) {
	if got := (billing.Issuer{Name: "LORnTECH"}).Missing(); !slices.Equal(
		got,
		[]string{"issuer.address", "issuer.siren"},
	) {
		t.Errorf("%q", got)
	}
	if got := (billing.Issuer{Name: "L", Address: []string{"Metz"}, Siren: "732829320"}).Missing(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestSettingsAreReadAndAskedInTheirOrder(t *testing.T) {
	s, err := billing.ParseSettings(lorntech, "billing.yaml", []byte(sound))
	if err != nil {
		t.Fatal(err)
	}
	if s.Accounts.Vat != "445710" || s.Issuer.Siren != "732829320" {
		t.Errorf("%+v", s)
	}
	for at, want := range map[string]billing.Index{"2026-03-31": {From: "2024-Q4", To: "2025-Q4", Change: 0.025}, "2026-11-23": {From: "2025-Q2", To: "2026-Q2", Change: 0.01}, "2025-12-31": {}} {
		day, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := s.IndexAt(day); got != want {
			t.Errorf("index at %s: %+v, want %+v", at, got, want)
		}
	}
	x, index := 0.7, 0.025
	a := s.Adjustment(catalogue.Coworking, billing.Calibration{Target: &x}, &index)
	b := s.Adjustment(catalogue.PrivateOffice, billing.Calibration{}, &index)
	c := s.Adjustment(catalogue.Studio, billing.Calibration{}, nil)
	if a.Target != 0.7 || *a.IndexCap != 0.01 || b.Elasticity != 1 || b.Target != 0.6 || *b.IndexCap != 0.025 ||
		c.IndexCap != nil ||
		c.MaxChange != 0.1 {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
	if s.FECName(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)) != "732829320FEC20261231.txt" {
		t.Error(s.FECName(time.Now()))
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"issuer:\n  siren: 12\n":                                    "billing.yaml:2: issuer.siren",
		"issuer:\n  nom: x\n":                                       "billing.yaml:2: issuer.nom: unknown field",
		"calibration:\n  coworking:\n    target: 0\n":               "billing.yaml:3: calibration.coworking.target",
		"calibration:\n  kitchen: {target: 0.5}\n":                  "calibration.kitchen: is not a kind of space",
		"ilat:\n  2025-Q4: 1\n  2026: 100\n":                        "ilat.2026: is not a quarter",
		"ilat:\n  2026-Q1: -1\n":                                    "billing.yaml:2: ilat.2026-Q1: must be more than 0",
		"calibration:\n  coworking: {target: 0,4}\n":                "billing.yaml:2: calibration.coworking.4: unknown field",
		"accounts: {vat: tva}\n":                                    "billing.yaml:1: accounts.vat",
		"accounts: [\n":                                             "billing.yaml:",
		"calibration:\n  coworking: {target: a}\n":                  "billing.yaml:2:",
		"issuer: {name: A}\nissuer: {name: B}\n":                    "billing.yaml:2:",
		"calibration:\n  fablab: {max_change: 2, elasticity: -1}\n": "calibration.fablab.elasticity",
	} {
		_, err := billing.ParseSettings(lorntech, "billing.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, empty := range []string{"", "\n", "# nothing yet\n"} {
		if s, err := billing.ParseSettings(lorntech, "billing.yaml", []byte(empty)); err != nil ||
			s.Issuer.Name != "LORnTECH" {
			t.Errorf("%q is all defaults: %+v %v", empty, s, err)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte("ilat:\n  2026: 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := billing.ParseSettings(lorntech, "f", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("%v names no file", err)
			}
			return
		}
		s.IndexAt(time.Now())
		s.Adjustment(catalogue.Coworking, billing.Calibration{}, nil)
	})
}
