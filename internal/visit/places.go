package visit

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Places are the buildings as they were and are: a read leads where its door
// led at its instant, and a visit closes when its site closed on the day on
// which it began. For one goroutine at a time.
type Places struct {
	history   catalogue.History
	calendars catalogue.Calendars
}

// NewPlaces makes the places of a history.
func NewPlaces(h catalogue.History) *Places {
	return &Places{history: h, calendars: catalogue.Calendars{}}
}

func (p *Places) at(t time.Time) *catalogue.Network { return catalogue.At(p.history, t) }
