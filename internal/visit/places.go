package visit

import (
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

// Places holds the buildings as they were and are: a read leads where its door
// led at its instant, and a visit closes when its site closed on the day on
// which it began. It is not safe for concurrent use.
type Places struct {
	history   catalogue.History
	calendars catalogue.Calendars
}

// NewPlaces returns the places of a history.
func NewPlaces(h catalogue.History) *Places {
	return &Places{history: h, calendars: catalogue.Calendars{}}
}

// ID returns a visit's id. It does not change when its space is renamed.
func (p *Places) ID(v Visit) uuid.UUID { return ID((*p.history.Last()).FirstName(v.Space), v.First) }

func (p *Places) at(t time.Time) *catalogue.Network { return catalogue.At(p.history, t) }
