package api

import (
	"iter"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// Event is an event as the API writes it.
type Event struct {
	ID       tenancy.EventID     `json:"id"`
	Title    string              `json:"title" required:"true"`
	Spaces   []catalogue.SpaceID `json:"spaces" nullable:"false" required:"true"`
	StartsAt catalogue.Instant   `json:"starts_at" format:"date-time" required:"true"`
	EndsAt   catalogue.Instant   `json:"ends_at" format:"date-time" required:"true"`
	Audience tenancy.Audience    `json:"audience" enum:"public,invited" required:"true"`
	Invited  []tenancy.MemberID  `json:"invited" nullable:"false"`
}

// events registers the endpoints of events.
func (s *server) events() {
	register(s, resource[Event]{
		path: "/v1/events", noun: "event", kind: rights.KindEvent,
		read:  []Role{Admin, Manager},
		write: []Role{Admin, Manager},
		id:    func(v *Event) *string { return (*string)(&v.ID) },
		all:   func(b *tenancy.Book) iter.Seq[Event] { return convert(b.Events(), showEvent) },
		find: func(b *tenancy.Book, id string) (Event, bool) {
			v, ok := b.Event(tenancy.EventID(id))
			return showEvent(v), ok
		},
		may:    func(c *caller, _ *tenancy.Book, v Event) bool { return s.maySpaces(c, v.Spaces) },
		change: changeEvent,
	})
}

func changeEvent(_ *caller, _ *tenancy.Book, v Event) (rights.Change, Event, error) {
	return rights.Change{Put: tenancy.Event{
		ID:       v.ID,
		Title:    v.Title,
		Spaces:   v.Spaces,
		StartsAt: milli(v.StartsAt),
		EndsAt:   milli(v.EndsAt),
		Audience: v.Audience,
		Invited:  v.Invited,
	}}, v, nil
}
