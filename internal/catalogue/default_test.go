package catalogue

import (
	"slices"
	"strings"
	"testing"
)

func lorn(t testing.TB) *Network {
	t.Helper()
	n, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func between(t *testing.T, what string, got, least, most int) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%d %s, not between %d and %d", got, what, least, most)
	}
}

func TestTheDefaultIsTheLORnTECHNetwork(t *testing.T) {
	n := lorn(t)
	if n.Name != "LORnTECH" || n.Zone.String() != "Europe/Paris" {
		t.Errorf("%s in %s", n.Name, n.Zone)
	}
	between(t, "spaces", len(n.Spaces), 115, 125)
	between(t, "doors", len(n.Doors), 95, 110)
	between(t, "devices", len(n.Devices), 240, 260)
	var sites []SiteID
	for _, r := range n.Summary() {
		sites = append(sites, r.Site)
		if r.Site == "metz" && r.AreaM2 != 2000 {
			t.Errorf("TCRM-Blida has %g m², not 2,000", r.AreaM2)
		}
		if r.LettableM2 < r.AreaM2/5 || r.LettableM2 > r.AreaM2*3/4 {
			t.Errorf("%s lets %g of %g m²", r.Site, r.LettableM2, r.AreaM2)
		}
	}
	if !slices.Equal(sites, []SiteID{"metz", "nancy", "thionville", "epinal"}) || len(n.Buildings) != 5 {
		t.Errorf("sites %v, %d buildings", sites, len(n.Buildings))
	}
	for _, s := range n.Sites {
		if moselle := s.ID == "metz" || s.ID == "thionville"; (s.Holidays == Moselle) != moselle || len(s.Opening) == 0 {
			t.Errorf("%s keeps the holidays %s and opens %v", s.ID, s.Holidays, s.Opening)
		}
	}
}

func TestTheContractsIdsAreInTheDefault(t *testing.T) {
	n := lorn(t)
	ok := n.Space("metz-hall") != nil && n.Space("metz-coworking").Kind == Coworking &&
		n.Space("metz-coworking").AntiPassback == Alert &&
		n.Door("metz-entrance").From == Outside &&
		n.Door("metz-coworking-door").To == "metz-coworking" &&
		n.Device("metz-entrance-in").Direction == In &&
		n.Device("metz-entrance-out").Direction == Out &&
		n.Device("metz-coworking-count").HoldSeconds == 1800 &&
		n.Device("metz-gateway").Kind == Gateway &&
		n.Device("metz-desk-7").Kind == Desk
	if !ok {
		t.Error("an id that the README and the documents use is missing or different")
	}
}

func TestEverySiteOffersWhatTheCharterAsks(t *testing.T) {
	n := lorn(t)
	type offer struct {
		site SiteID
		kind SpaceKind
	}
	have := map[offer]int{}
	for _, s := range n.Spaces {
		have[offer{s.Site, s.Kind}]++
	}
	for _, s := range n.Sites {
		for kind, least := range map[SpaceKind]int{Common: 2, Coworking: 1, MeetingRoom: 2, AssociationsOffice: 1, Demo: 1,
			PrivateOffice: 4} {
			if have[offer{s.ID, kind}] < least {
				t.Errorf("%s has %d spaces of kind %s, not %d", s.ID, have[offer{s.ID, kind}], kind, least)
			}
		}
	}
	for _, special := range []offer{
		{"metz", FabLab}, {"metz", Studio}, {"metz", Incubator},
		{"thionville", Videoconference}, {"thionville", Incubator}, {"thionville", Accelerator}, {"thionville", FabLab},
		{"thionville", Cafe}, {"thionville", Training}, {"thionville", Studio}, {"thionville", Auditorium},
	} {
		if have[special] == 0 {
			t.Errorf("%s has no %s", special.site, special.kind)
		}
	}
	for _, s := range n.Spaces {
		if s.Building == "nancy-source" && s.Floor != 0 {
			t.Errorf("%s: La Source is the ground floor of the Médiaparc", s.ID)
		}
	}
}

func TestEveryDoorOnTheWayToABillableSpaceHasBothReaders(t *testing.T) {
	n := lorn(t)
	readers := map[DoorID]map[Direction]bool{}
	gateways := map[SiteID]int{}
	for _, d := range n.Devices {
		if d.Kind == Gateway {
			gateways[d.Site]++
		}
		if d.Kind == Reader {
			if readers[d.Door] == nil {
				readers[d.Door] = map[Direction]bool{}
			}
			readers[d.Door][d.Direction] = true
		}
	}
	onTheWay := map[SpaceID]bool{}
	for _, s := range n.Spaces {
		if n.Billable(s.ID) {
			for _, c := range n.Chain(s.ID) {
				onTheWay[c] = true
			}
		}
	}
	for _, d := range n.Doors {
		if !readers[d.ID][In] || onTheWay[d.To] && !readers[d.ID][Out] {
			t.Errorf("%s lacks a reader", d.ID)
		}
	}
	for _, s := range n.Sites {
		if gateways[s.ID] != 1 {
			t.Errorf("%s has %d gateways", s.ID, gateways[s.ID])
		}
	}
}

func TestEveryOfficeAndEveryLettableSpaceIsBehindADoor(t *testing.T) {
	n := lorn(t)
	behind := map[SpaceID]bool{}
	for _, d := range n.Doors {
		behind[d.To] = true
	}
	for _, s := range n.Spaces {
		if (s.Kind.Office() || s.RentCents > 0) && !behind[s.ID] {
			t.Errorf("%s has no door", s.ID)
		}
		if s.Parent == "" && !behind[s.ID] {
			t.Errorf("%s is reached by no door", s.ID)
		}
		if s.Kind == PrivateOffice && s.RentCents == 0 {
			t.Errorf("%s has no rent", s.ID)
		}
		if !strings.HasPrefix(string(s.ID), string(s.Site)+"-") {
			t.Errorf("%s is not named after its site", s.ID)
		}
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		if _, err := Default(); err != nil {
			b.Fatal(err)
		}
	}
}
