package live

import (
	"slices"

	"github.com/google/uuid"
)

// maxHoles limits how many missing ranges of a device's messages are
// remembered; beyond it the oldest is given up as lost, and its alarm stays.
const maxHoles = 64

// maxBoots is how many boots of a device are followed at once: a reader that
// restarts still has to send what it kept from before.
const maxBoots = 4

// Numbering follows a device's own numbering of its messages since its boots.
type Numbering struct {
	Boots []Boot // in the order in which they were first seen
	Lost  bool   // holes were given up: they stay missing
}

// Boot follows the numbers of one boot.
type Boot struct {
	ID      uuid.UUID
	Next    uint64
	Missing []Hole // ascending, disjoint
}

// Hole is a range of missing numbers, both ends included.
type Hole struct{ From, To uint64 }

// Holes reports whether any message is missing.
func (n *Numbering) Holes() bool {
	return n.Lost || slices.ContainsFunc(n.Boots, func(b Boot) bool { return len(b.Missing) > 0 })
}

// Note processes one number of a boot. Counting begins at the first number of
// the first boot that is seen, since the device may have sent messages for long
// before it came to Totem; every later boot begins at 1 (or 0).
func (n *Numbering) Note(boot uuid.UUID, seq uint64) {
	i := slices.IndexFunc(n.Boots, func(b Boot) bool { return b.ID == boot })
	if i < 0 {
		next := seq
		if len(n.Boots) > 0 {
			next = min(seq, 1)
		}
		if len(n.Boots) == maxBoots {
			n.Lost = n.Lost || len(n.Boots[0].Missing) > 0
			n.Boots = slices.Delete(n.Boots, 0, 1)
		}
		n.Boots = append(n.Boots, Boot{ID: boot, Next: next})
		i = len(n.Boots) - 1
	}
	if n.Boots[i].note(seq) {
		n.Lost = true
	}
}

// note processes one number and reports whether an old hole had to be given up.
func (n *Boot) note(seq uint64) (lost bool) {
	switch {
	case seq == n.Next:
		n.Next++
	case seq > n.Next:
		n.Missing = append(n.Missing, Hole{n.Next, seq - 1})
		n.Next = seq + 1
		if len(n.Missing) > maxHoles {
			n.Missing, lost = n.Missing[1:], true
		}
	default:
		n.fill(seq)
	}
	return lost
}

// fill closes a hole, or a part of it, by a late message.
func (n *Boot) fill(seq uint64) {
	i := slices.IndexFunc(n.Missing, func(h Hole) bool { return h.From <= seq && seq <= h.To })
	if i < 0 {
		return
	}
	h := n.Missing[i]
	var rest []Hole
	if h.From < seq {
		rest = append(rest, Hole{h.From, seq - 1})
	}
	if seq < h.To {
		rest = append(rest, Hole{seq + 1, h.To})
	}
	n.Missing = slices.Replace(n.Missing, i, i+1, rest...)
}
