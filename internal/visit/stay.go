package visit

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Stay is a stretch of time during which a subject's reads left them in a
// space itself, not below it: what badges tell of occupancy (rules 9.2).
// To may lie in the future, as a Visit's.
type Stay struct {
	Space    catalogue.SpaceID
	From, To time.Time
}

// Stays returns the stays that one subject's reads make, in any order. Each ends at
// the next read, or at the end of the visit that it belongs to, if that is earlier.
func Stays(p *Places, reads []Read) []Stay {
	var out []Stay
	visits := map[catalogue.SpaceID][]Visit{}
	for _, v := range Make(p, reads) {
		visits[v.Space] = append(visits[v.Space], v)
	}
	list := steps(p, reads)
	for i, s := range list {
		if s.network.Space(s.after) == nil {
			continue
		}
		st := Stay{Space: s.after, From: s.At}
		for _, v := range visits[s.after] {
			if !v.From.After(s.At) && v.To.After(s.At) {
				st.To = v.To
			}
		}
		if i+1 < len(list) && list[i+1].At.Before(st.To) {
			st.To = list[i+1].At
		}
		if st.To.After(st.From) {
			out = append(out, st)
		}
	}
	return out
}
