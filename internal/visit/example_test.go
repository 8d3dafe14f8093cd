package visit_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/visit"
)

// Two badges in and one out at the street make a visit to the hall and one to the
// coworking in it, whose end was not badged at its own door: it is inferred from
// the next read. The order in which the reads arrive does not matter.
func ExampleMake() {
	n, err := catalogue.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	read := func(id byte, clock string, door catalogue.DoorID, d catalogue.Direction) visit.Read {
		at, err := time.ParseInLocation("2006-01-02 15:04", "2026-11-23 "+clock, n.Zone.Location())
		if err != nil {
			fmt.Println(err)
		}
		return visit.Read{ID: uuid.UUID{id}, At: at, Door: door, Direction: d}
	}
	places := visit.NewPlaces(catalogue.Always(n))
	for _, v := range visit.Make(places, []visit.Read{
		read(3, "12:30", "metz-entrance", catalogue.Out),
		read(1, "08:58", "metz-entrance", catalogue.In),
		read(2, "09:00", "metz-coworking-door", catalogue.In),
	}) {
		fmt.Println(v.Space, v.From.Format("15:04"), v.To.Format("15:04"), v.Ended)
	}
	// Output:
	// metz-hall 08:58 12:30 badge
	// metz-coworking 09:00 12:30 elsewhere
}
