package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/tenancy"
)

// The programme is public: it names no person, shows no counts, and says
// nothing of sites with fewer than ten known public places.

const (
	// programmeAhead is how far ahead the programme looks; programmeMost is how
	// many events it shows.
	programmeAhead, programmeMost = 92 * 24 * time.Hour, 500
	// publicPlacesLeast is how many known public places a site needs for its
	// mood to be shown.
	publicPlacesLeast = 10
)

type programme struct {
	Network string           `json:"network"`
	Zone    string           `json:"timezone"`
	Sites   []programmeSite  `json:"sites" nullable:"false"`
	Events  []programmeEvent `json:"events" nullable:"false" doc:"Public events that are not over, sorted by start."`
}

type programmeSite struct {
	Site     catalogue.SiteID   `json:"site"`
	Name     string             `json:"name"`
	City     string             `json:"city"`
	Open     bool               `json:"open"`
	OpensAt  *catalogue.Instant `json:"opens_at" doc:"When it opens next; null while it is open."`
	ClosesAt *catalogue.Instant `json:"closes_at" doc:"When it closes; null while it is closed."`
	Mood     *string            `json:"mood" doc:"quiet: under a third of its known public places are taken; full: none is left; else lively; null: closed, or too few are known."`
}

type programmeEvent struct {
	ID       tenancy.EventID   `json:"id"`
	Title    string            `json:"title"`
	Site     catalogue.SiteID  `json:"site"`
	City     string            `json:"city"`
	Place    string            `json:"place" doc:"The building and the spaces, in words."`
	StartsAt catalogue.Instant `json:"starts_at"`
	EndsAt   catalogue.Instant `json:"ends_at"`
	Running  bool              `json:"running"`
}

func (s *server) programmes() {
	const summary = "Public events of all sites, and how lively each site is now; needs no token."
	op := openToAll(operation("GET", "/v1/programme", tagLive, summary))
	op.Errors = nil
	huma.Register(s.api, op, func(_ context.Context, _ *struct{}) (*one[programme], error) {
		return &one[programme]{s.programme()}, nil
	})
}

// calendarFeed serves /programme.ics, which calendars subscribe to.
func (s *server) calendarFeed(r chi.Router) {
	r.Get("/programme.ics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write([]byte(s.calendar())) // an error here means that the client has gone
	})
}

func (s *server) programme() programme {
	n, now := s.cfg.Network, s.cfg.Now()
	out := programme{Network: n.Name, Zone: n.Zone.String(), Sites: []programmeSite{}, Events: s.publicEvents(now)}
	for i := range n.Sites {
		site := &n.Sites[i]
		shown := programmeSite{Site: site.ID, Name: site.Name, City: site.City}
		shown.Open, shown.OpensAt, shown.ClosesAt = s.hoursOf(site, now)
		running := slices.ContainsFunc(out.Events, func(e programmeEvent) bool { return e.Running && e.Site == site.ID })
		if shown.Open || running {
			shown.Mood = s.mood(site.ID)
		}
		out.Sites = append(out.Sites, shown)
	}
	return out
}

// hoursOf returns whether a site is open, and when that changes.
func (s *server) hoursOf(site *catalogue.Site, now time.Time) (open bool, opens, closes *catalogue.Instant) {
	c := s.calendars[site.ID]
	open = c.Open(now)
	today := s.cfg.Network.Zone.At(now).Day
	for day := today; day < today+14; day++ {
		for _, w := range c.Windows(day) {
			from, to := s.cfg.Network.Zone.Instant(day, int(w.From)*60), s.cfg.Network.Zone.Instant(day, int(w.To)*60)
			if open && !now.Before(from) && now.Before(to) {
				return open, nil, instantOrNil(&to)
			}
			if !open && from.After(now) {
				return open, instantOrNil(&from), nil
			}
		}
	}
	return open, nil, nil
}

// mood returns how lively a site's public places are; nil where too few are
// known.
func (s *server) mood(site catalogue.SiteID) *string {
	places, taken := 0, 0
	for _, a := range s.cfg.Live.Availability() {
		if a.Site == site && a.Kind.Shared() && a.State != occupancy.Closed && a.Count != nil {
			places, taken = places+a.Capacity, taken+min(*a.Count, a.Capacity)
		}
	}
	if places < publicPlacesLeast {
		return nil
	}
	mood := "lively"
	switch {
	case taken*3 < places:
		mood = "quiet"
	case taken >= places:
		mood = "full"
	}
	return &mood
}

func (s *server) publicEvents(now time.Time) []programmeEvent {
	list := []programmeEvent{}
	for e := range s.cfg.Rights.InForce().Book.Events() {
		if e.Audience != tenancy.Public || !e.EndsAt.After(now) || e.StartsAt.After(now.Add(programmeAhead)) ||
			len(e.Spaces) == 0 {
			continue
		}
		sp := s.cfg.Network.Space(e.Spaces[0])
		if sp == nil {
			continue
		}
		site := s.cfg.Network.Site(sp.Site)
		list = append(list,
			programmeEvent{
				ID:       e.ID,
				Title:    e.Title,
				Site:     site.ID,
				City:     site.City,
				Place:    s.place(e.Spaces),
				StartsAt: instant(e.StartsAt),
				EndsAt:   instant(e.EndsAt),
				Running:  !e.StartsAt.After(now),
			},
		)
	}
	slices.SortFunc(list, func(a, b programmeEvent) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt.Time), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(len(list), programmeMost)]
}

// place names where an event is: its building and its spaces.
func (s *server) place(spaces []catalogue.SpaceID) string {
	var names []string
	building := ""
	for _, id := range spaces {
		if sp := s.cfg.Network.Space(id); sp != nil {
			names = append(names, sp.Name)
			if b := s.cfg.Network.Building(sp.Building); b != nil && building == "" {
				building = b.Name
			}
		}
	}
	return strings.TrimPrefix(building+", "+strings.Join(names, ", "), ", ")
}

// calendar writes the public events as iCalendar (RFC 5545).
func (s *server) calendar() string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(foldLine(name + ":" + value)) }
	utc := func(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
	escape := strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`, "\r", "")
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//LORnTECH//Totem//FR")
	line("NAME", escape.Replace(s.cfg.Network.Name))
	line("X-WR-CALNAME", escape.Replace(s.cfg.Network.Name))
	line("REFRESH-INTERVAL;VALUE=DURATION", "PT1H")
	now := s.cfg.Now()
	for _, e := range s.publicEvents(now) {
		line("BEGIN", "VEVENT")
		line("UID", fmt.Sprintf("%s@%s", e.ID, s.cfg.Network.Name))
		line("DTSTAMP", utc(now))
		line("DTSTART", utc(e.StartsAt.Time))
		line("DTEND", utc(e.EndsAt.Time))
		line("SUMMARY", escape.Replace(e.Title))
		line("LOCATION", escape.Replace(e.Place+", "+e.City))
		line("END", "VEVENT")
	}
	line("END", "VCALENDAR")
	return b.String()
}

// foldLine returns a line folded as RFC 5545 asks: at most 75 octets a line,
// continued after a space, without splitting a letter.
func foldLine(s string) string {
	var b strings.Builder
	width := 0
	for _, r := range s {
		if n := utf8.RuneLen(r); width+n > 75 {
			b.WriteString("\r\n ")
			width = 1 + n
		} else {
			width += n
		}
		b.WriteRune(r)
	}
	return b.String() + "\r\n"
}
