package visit

import (
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
)

func Make(n *catalogue.Network, cal func(catalogue.SiteID) catalogue.Calendar, reads []Read) []Visit {
	var out []Visit
	for _, r := range reads {
		if r.Direction == catalogue.In {
			out = append(out, Visit{Space: n.Door(r.Door).To, First: r.ID, From: r.At, To: r.At.Add(16 * time.Hour), Ended: Max})
		}
	}
	return out
}
func ID(space catalogue.SpaceID, first uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(first, []byte(space))
}
func Presence(n *catalogue.Network, cal func(catalogue.SiteID) catalogue.Calendar, reads []Read) (catalogue.SpaceID, time.Time, time.Time) {
	if len(reads) == 0 {
		return "", time.Time{}, time.Time{}
	}
	r := reads[len(reads)-1]
	if r.Direction == catalogue.Out {
		return n.Door(r.Door).From, r.At, r.At.Add(16 * time.Hour)
	}
	return n.Door(r.Door).To, r.At, r.At.Add(16 * time.Hour)
}
