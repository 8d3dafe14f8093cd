package billing_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
)

func issuedOn(
	year int,
	month time.Month,
	number int64,
	name string,
	rent int64,
	taxes ...tariff.Taxed,
) billing.Statement {
	at := time.Date(year, month, 3, 9, 0, 0, 0, time.UTC)
	s := billing.Statement{
		ID:         billing.StatementID(number),
		Number:     number,
		Month:      "2026-10",
		Lease:      "l",
		Tenant:     "t",
		TenantName: name,
		IssuedAt:   &at,
		Vat:        taxes,
		Lines:      []billing.Line{{Kind: billing.LineRent, NetCents: rent}, {Kind: billing.LineOverage}},
		NetCents:   rent,
	}
	for _, t := range taxes {
		s.VatCents += t.VatCents
	}
	s.TotalCents = s.NetCents + s.VatCents
	return s
}

func TestTheSalesJournalIsOneThatAccountantsImport(t *testing.T) {
	list := []billing.Statement{
		issuedOn(2026, 11, 1, "Nothing", 0),
		issuedOn(2026,
			11,
			2,
			"L’Orme – Śródmieście\u200b | Ω",
			30_000,
			tariff.Taxed{VatPct: 20, NetCents: 24_000, VatCents: 4800},
			tariff.Taxed{VatPct: 5.5, NetCents: 6000, VatCents: 330},
		),
		issuedOn(2026, 12, 3, "Fine\tTabs", 1000, tariff.Taxed{VatPct: 20, NetCents: 1000, VatCents: 200}),
		issuedOn(2027, 1, 4, "Next year", 1000, tariff.Taxed{VatPct: 20, NetCents: 1000, VatCents: 200}),
	}
	list[2].Lines = append(
		list[2].Lines,
		billing.Line{Kind: billing.LineOverage, NetCents: 500},
		billing.Line{Kind: billing.LineCorrection, NetCents: -500},
	)
	settings := billing.Defaults(&catalogue.Network{Name: "n"})
	settings.Number(list, time.UTC)
	if got := []int64{
		list[0].Entry,
		list[1].Entry,
		list[2].Entry,
		list[3].Entry,
	}; got[0] != 0 || got[1] != 1 || got[2] != 2 ||
		got[3] != 1 {
		t.Errorf("entries %v, want none for what comes to nothing, no hole, and 1 again in the next year", got)
	}
	var file bytes.Buffer
	if err := settings.FEC(&file, list, time.UTC); err != nil {
		t.Fatal(err)
	}
	for _, b := range file.Bytes() {
		if b < 0x20 && b != '\t' && b != '\r' && b != '\n' || b >= 0x7f && b < 0xa0 {
			t.Errorf("a control character %#x", b)
		}
	}
	text, err := charmap.ISO8859_15.NewDecoder().String(file.String())
	if err != nil || !strings.Contains(text, "L'Orme - Sródmiescie / ?") {
		t.Errorf("%v: %s", err, text)
	}
	labels, vat := map[string]string{}, []string{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\r\n")[1:] {
		f := strings.Split(line, "\t")
		if had, ok := labels[f[4]]; ok && had != f[5] {
			t.Errorf("account %s is called %q and %q", f[4], had, f[5])
		}
		labels[f[4]] = f[5]
		if f[4] == "445710" && f[2] == "1" && f[8] == "s-000002" {
			vat = append(vat, f[12])
		}
	}
	if strings.Join(vat, " ") != "48,00 3,30" {
		t.Errorf("VAT %v, want a line for each rate", vat)
	}
	if name := settings.FECName(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)); name != "SANS-SIREN-FEC20261231.txt" {
		t.Error(name)
	}
	// What has its number keeps it, whatever the rule says now.
	list[2].Entry = 9
	settings.Number(list, time.UTC)
	if list[2].Entry != 9 {
		t.Errorf("entry %d", list[2].Entry)
	}
}
