package access

import (
	"bytes"
	"slices"
)

// candidates returns the credentials that may appear on a door's list, in the
// list's order.
func (x *Index) candidates(d *door) []uint32 {
	x.listing.Do(x.layOutCandidates)
	if len(d.public) > 0 {
		return x.listed
	}
	return x.through[d.n]
}

// layOutCandidates finds, for each door, the credentials that may open it. Most
// badges open few doors, and making a door's list must not look at the badges that
// never open it.
func (x *Index) layOutCandidates() {
	for n := range x.credentials {
		if x.credentials[n].status == active {
			x.listed = append(x.listed, uint32(n))
		}
	}
	slices.SortFunc(x.listed, func(a, b uint32) int { return bytes.Compare(x.forList[a][:], x.forList[b][:]) })
	x.through = make([][]uint32, len(x.doors))
	x.states = make([]uint64, len(x.doors))
	doors, everybody := newBits(len(x.doors)), uint64(0)
	for _, n := range x.listed {
		everybody += x.stateOf(n)
		clear(doors)
		x.credentials[n].addDoors(doors, x.atSite)
		for i := range doors.all {
			x.through[i] = append(x.through[i], n)
		}
	}
	x.addShared(everybody)
}

// addDoors adds the doors that a credential's own rights open at some time.
func (c *credential) addDoors(doors bits, atSite []bits) {
	if c.pass != nil {
		doors.add(c.pass.doors)
	}
	if c.member == nil {
		return
	}
	for site := range atSite {
		if c.member.staff.has(site) {
			doors.add(atSite[site])
		}
	}
	for _, l := range c.member.leases {
		if l.active {
			doors.add(l.doors)
		}
	}
	for _, e := range c.member.events {
		doors.add(e.doors)
	}
}
