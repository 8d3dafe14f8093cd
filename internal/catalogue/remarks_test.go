package catalogue

import (
	"strings"
	"testing"
)

func TestRemarksNameWhatWasProbablyNotMeant(t *testing.T) {
	n := New(Network{
		Spaces: []Space{
			{ID: "hall", Kind: Common}, {ID: "desks", Kind: Coworking, RentCents: 1}, {ID: "booth", Parent: "desks"},
			{ID: "attic", Kind: PrivateOffice, RentCents: 1}, {ID: "cell", Parent: "attic"},
		},
		Doors: []Door{{ID: "street", From: Outside, To: "hall"}, {ID: "glass", From: "hall", To: "desks"}},
		Devices: []Device{
			{ID: "in", Kind: Reader, Door: "glass", Direction: In}, {ID: "cell-desk", Kind: Desk, Space: "cell"},
		},
	})
	got := strings.Join(n.Remarks(), "\n")
	const want = `no door leads into attic, cell, nor into a space around it: badges cannot open it
the door street has no reader: badges cannot open it
the door glass leads into a coworking and has no reader outwards: hours there end at the next reader, or at closing`
	if got != want {
		t.Errorf("got:\n%s", got)
	}
	n.Devices = nil
	const unseen = "no sensor or reader tells whether desks, attic is occupied"
	if got := strings.Join(New(*n).Remarks(), "\n"); !strings.Contains(got, unseen) {
		t.Errorf("without devices:\n%s", got)
	}
	whole, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if got := whole.Remarks(); len(got) > 0 {
		t.Errorf("of the built-in catalogue: %q", got)
	}
	whole.Doors = nil
	if got := New(*whole).Remarks(); len(got) == 0 || !strings.Contains(got[0], "more)") {
		t.Errorf("without doors: %q", got)
	}
}
