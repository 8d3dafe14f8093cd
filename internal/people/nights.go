package people

import (
	"fmt"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

const (
	// nightsFrom and nightsTo are the first and last day, counted from today,
	// on which somebody is there at every hour.
	nightsFrom, nightsTo = -2, 30
	// crewSize is how many people stay at each site while the offices are
	// closed.
	crewSize  = 15
	crewTurns = 4
	// evening and morning are when the offices empty and fill, in minutes of
	// the day.
	evening, morning = 17*60 + 15, 9*60 + 15
	crewMark         = "-hors-horaires-"
)

// AtClosedHours reports whether an event fills a site while its offices are
// closed.
func AtClosedHours(e *tenancy.Event) bool { return strings.Contains(string(e.ID), crewMark) }

// nights gives each site an event whenever its offices are closed: a night or a
// weekend in the FabLab. Each has its own crew, in turns.
func (m *maker) nights() {
	for i := range m.Network.Sites {
		site := &m.Network.Sites[i]
		cal := m.Network.Calendar(site)
		rooms := m.nightRooms(site.ID)
		crew := m.crew(site.ID)
		if len(rooms) == 0 || len(crew) == 0 {
			continue
		}
		for day := nightsFrom; day <= nightsTo; day++ {
			d := m.Today + catalogue.Day(day)
			if wd := d.Weekday(); wd == time.Saturday || wd == time.Sunday || cal.Holidays.Has(d) {
				m.stay(site.ID, rooms, crew, day, "jour", "Hackathon du week-end", 8*60, evening+30)
			}
			m.stay(site.ID, rooms, crew, day, "nuit", "Nuit de la création numérique", evening, 24*60+morning)
		}
	}
}

// stay adds one such event; from and to are in minutes of the day. Crews take
// turns, so that whoever was there at night sleeps during the day.
func (m *maker) stay(
	site catalogue.SiteID,
	rooms []catalogue.SpaceID,
	crew []tenancy.MemberID,
	day int,
	id, title string,
	from, to int,
) {
	turn := (day - nightsFrom) * 2
	if id == "nuit" {
		turn++
	}
	var invited []tenancy.MemberID
	for i := range min(crewSize, len(crew)/3) {
		invited = append(invited, crew[(turn*crewSize+i)%len(crew)])
	}
	m.Events = append(m.Events, tenancy.Event{
		ID: tenancy.EventID(
			fmt.Sprintf("%s%s%s-%s", site, crewMark, id, strings.ReplaceAll((m.Today+catalogue.Day(day)).String(), "-", "")),
		),
		Title:    title,
		Spaces:   rooms,
		StartsAt: m.at(day, from/60, from%60),
		EndsAt:   m.at(day, to/60, to%60),
		Audience: tenancy.Invited,
		Invited:  invited,
	})
}

// nightRooms returns the spaces in which a crew works, eats and rests.
func (m *maker) nightRooms(site catalogue.SiteID) []catalogue.SpaceID {
	var rooms []catalogue.SpaceID
	for _, kind := range []catalogue.SpaceKind{catalogue.FabLab, catalogue.Cafe, catalogue.Common} {
		for _, id := range m.spaces(site, kind) {
			if m.Network.Space(id).Capacity >= crewSize && len(rooms) < 4 {
				rooms = append(rooms, id)
			}
		}
	}
	return rooms
}

// crew returns the members of a site who take turns at the events of closed hours:
// each has a badge that opens, and none belongs to the tenants of the examples.
func (m *maker) crew(site catalogue.SiteID) []tenancy.MemberID {
	good := map[tenancy.MemberID]bool{} // people with a badge that opens
	for _, c := range m.Cards {
		if c.Status == tenancy.Active && c.ValidTo == nil && c.ValidFrom == nil {
			good[c.Member] = true
		}
	}
	tenants := m.tenantsOf(site)
	mine := map[tenancy.TenantID]bool{}
	for _, t := range tenants[min(2, len(tenants)):] {
		mine[t] = true
	}
	var all []tenancy.MemberID
	for _, p := range m.Members {
		if mine[p.Tenant] && good[p.ID] {
			all = append(all, p.ID)
		}
	}
	// Every second one, so that a crew comes from many tenants and their rooms
	// do not stay empty during the day.
	var crew []tenancy.MemberID
	for turn := range crewTurns {
		for i := 2 * turn; i < len(all) && len(crew) < crewTurns*crewSize; i += 2 * crewTurns {
			crew = append(crew, all[i])
		}
	}
	return crew
}

// workshops uses every studio, training room and demo space at some time of a
// week.
func (m *maker) workshops() {
	n := 0
	for _, s := range m.Network.Sites {
		for _, room := range m.spaces(s.ID, catalogue.Studio, catalogue.Training, catalogue.Demo) {
			for week := -1; week <= 1; week++ {
				day := week*7 + n%5
				if wd := (m.Today + catalogue.Day(day)).Weekday(); wd == 0 || wd == 6 {
					day -= 2
				}
				guests := m.guests(s.ID)
				m.Events = append(m.Events, tenancy.Event{
					ID:       tenancy.EventID(fmt.Sprintf("%s-atelier-%d", room, week+2)),
					Title:    "Atelier, " + m.Network.Space(room).Name,
					Spaces:   []catalogue.SpaceID{room},
					StartsAt: m.at(day, 14, 0),
					EndsAt:   m.at(day, 16, 0),
					Audience: tenancy.Invited,
					Invited:  guests[:min(len(guests), max(2, m.Network.Space(room).Capacity/2))],
				})
			}
			n++
		}
	}
}
