package catalogue

import (
	"fmt"
	"slices"
	"strings"
)

// Remarks returns what a catalogue may contain but its author may not have meant, a
// sentence each.
func (n *Network) Remarks() []string {
	entered, sensed := map[SpaceID]bool{}, map[SpaceID]bool{}
	read, left := map[DoorID]bool{}, map[DoorID]bool{} // with a reader; with one outwards
	for _, d := range n.Doors {
		entered[d.To] = true
	}
	for i := range n.Devices {
		switch d := &n.Devices[i]; d.Kind {
		case Reader:
			read[d.Door] = true
			left[d.Door] = left[d.Door] || d.Direction == Out
			sensed[n.LeadsInto(d)] = true
		case PeopleCounter, FlowCounter, Occupancy, Desk:
			for _, s := range n.Chain(d.Space) {
				sensed[s] = true
			}
		}
	}
	var closed, unseen []SpaceID
	for i := range n.Spaces {
		s := &n.Spaces[i]
		open := false
		for _, around := range n.Chain(s.ID) {
			open = open || entered[around]
		}
		if !open {
			closed = append(closed, s.ID)
		}
		if s.RentCents > 0 && !sensed[s.ID] {
			unseen = append(unseen, s.ID)
		}
	}
	var bare, oneWay []DoorID
	for _, d := range n.Doors {
		switch {
		case !read[d.ID]:
			bare = append(bare, d.ID)
		case !left[d.ID] && n.Billable(d.To):
			oneWay = append(oneWay, d.ID)
		}
	}
	return slices.Concat(
		remark(closed, "no door leads into %s, nor into a space around it: badges cannot open it"),
		remark(bare, "the door %s has no reader: badges cannot open it"),
		remark(
			oneWay,
			"the door %s leads into a coworking and has no reader outwards: hours there end at the next reader, or at closing",
		),
		remark(unseen, "no sensor or reader tells whether %s is occupied: its use stays unknown"),
	)
}

// remark puts the first of some ids into a sentence; none where there is no id.
func remark[ID ~string](ids []ID, sentence string) []string {
	if len(ids) == 0 {
		return nil
	}
	const some = 5
	var names []string
	for _, id := range ids[:min(len(ids), some)] {
		names = append(names, string(id))
	}
	text := strings.Join(names, ", ")
	if more := len(ids) - len(names); more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return []string{fmt.Sprintf(sentence, text)}
}
