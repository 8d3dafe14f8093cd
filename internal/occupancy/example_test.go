package occupancy_test

import (
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

// What a counter said holds for its hold_seconds (30 minutes in the café of
// Metz); then the space is unknown, never vacant.
func ExampleState() {
	n, err := catalogue.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	nine := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	s := occupancy.New(n)
	s.SetValue("metz-cafe-count", occupancy.Said{At: nine, Value: 7})
	for _, now := range []time.Time{nine, nine.Add(31 * time.Minute)} {
		s.Refresh(now)
		for _, a := range s.All() {
			if a.Space != "metz-cafe" {
				continue
			}
			fmt.Print(a.State)
			if a.Count != nil {
				fmt.Print(", people: ", *a.Count, ", by the ", *a.Source)
			}
			fmt.Println()
		}
	}
	// Output:
	// free, people: 7, by the people-counter
	// unknown
}
