package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/yamldoc"
)

// Names holds the former names of renamed spaces. A renamed space stays the
// space that it was: its past is shown under its present name.
type Names struct {
	present map[SpaceID]SpaceID // by each former name
	first   map[SpaceID]SpaceID // by each present name that is not the first
}

// PresentName returns the present name of a space that once had an id.
func (n *Network) PresentName(id SpaceID) SpaceID {
	if n.names != nil {
		if is, renamed := n.names.present[id]; renamed {
			return is
		}
	}
	return id
}

// FormerNames returns the ids that spaces had before they were renamed.
func (n *Network) FormerNames() (list []SpaceID) {
	if n.names != nil {
		for id := range n.names.present {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// FirstName returns the first name of a space. It identifies the space, however
// often it is renamed.
func (n *Network) FirstName(id SpaceID) SpaceID {
	if n.names != nil {
		if was, renamed := n.names.first[id]; renamed {
			return was
		}
	}
	return id
}

// with returns the names after some spaces are renamed, old name to new.
func (n *Names) with(renamed map[SpaceID]SpaceID) *Names {
	next := &Names{map[SpaceID]SpaceID{}, map[SpaceID]SpaceID{}}
	if n != nil {
		next.present, next.first = maps.Clone(n.present), maps.Clone(n.first)
	}
	for old, now := range renamed {
		first, is := next.first[old]
		if !is {
			first = old
		}
		delete(next.first, old)
		for former, present := range next.present {
			if present == old {
				next.present[former] = now
			}
		}
		next.present[old] = now
		delete(next.present, now) // the space takes a former name back
		if next.first[now] = first; first == now {
			delete(next.first, now)
		}
	}
	return next
}

// renames returns the spaces that have another id in a network than in the one
// before it.
func renames(before, after *Network) map[SpaceID]SpaceID {
	list := map[SpaceID]SpaceID{}
	for _, sp := range after.Spaces {
		if sp.Was != "" && before.Space(sp.Was) != nil && before.Space(sp.ID) == nil {
			list[sp.Was] = sp.ID
		}
	}
	return list
}

// renamed returns a network with other names for some of its spaces.
func (n *Network) renamed(names map[SpaceID]SpaceID) *Network {
	name := func(id *SpaceID) {
		if now, is := names[*id]; is {
			*id = now
		}
	}
	next := *n
	next.Spaces, next.Doors, next.Devices = slices.Clone(n.Spaces), slices.Clone(n.Doors), slices.Clone(n.Devices)
	for i := range next.Spaces {
		name(&next.Spaces[i].ID)
		name(&next.Spaces[i].Parent)
	}
	for i := range next.Doors {
		name(&next.Doors[i].From)
		name(&next.Doors[i].To)
	}
	for i := range next.Devices {
		name(&next.Devices[i].Space)
	}
	return New(next)
}

// Chronicle is every catalogue that was recorded for a service.
type Chronicle struct {
	// Recorded has each catalogue with the names of spaces as they were recorded. Told has
	// the same catalogues with the present names; the past is computed with Told.
	Recorded, Told History

	names *Names
}

// Unchanged returns the chronicle of a network that never changed.
func Unchanged(n *Network) Chronicle { return first(n, time.Time{}) }

func first(n *Network, at time.Time) Chronicle {
	h := History{}.Put(dated.Change[int64, *Network]{Value: &n, At: at}, nil)
	return Chronicle{Recorded: h, Told: h}
}

// Change is what a catalogue changes in a chronicle.
type Change struct {
	Before, After Chronicle           // Before with the names of After
	Renamed       map[SpaceID]SpaceID // old name to new
}

// Put adds a catalogue that holds from since on: those that held after since
// are replaced by it. An error names the file, the line and the field.
func (c Chronicle) Put(since, at time.Time, n *Network) (Change, error) {
	last := c.Recorded.Last()
	if last == nil {
		c = first(n, at)
		return Change{c, c, nil}, nil
	}
	out := Change{Renamed: renames(*last, n)}
	if err := c.checkNames(*last, n, out.Renamed); err != nil {
		return out, err
	}
	names := c.names
	if len(out.Renamed) > 0 {
		names = names.with(out.Renamed)
	}
	named := func(n *Network) *Network {
		next := *n
		next.names = names
		return &next
	}
	told := c.Told
	if len(out.Renamed) > 0 {
		all := slices.Clone(told.Changes())
		for i := range all {
			was := named((*all[i].Value).renamed(out.Renamed))
			all[i].Value = &was
		}
		told = dated.Of(all)
	}
	is := named(n)
	add := func(h History, n *Network) History {
		from := since.UnixMilli()
		return h.Put(
			dated.Change[int64, *Network]{From: from, Value: &n, At: at},
			func(c *dated.Change[int64, *Network]) bool { return c.From >= from },
		)
	}
	out.Before = Chronicle{Recorded: c.Recorded, Told: told, names: names}
	out.After = Chronicle{Recorded: add(c.Recorded, n), Told: add(out.Before.Told, is), names: names}
	return out, nil
}

// held reports whether a space with this id is in any catalogue that held once.
func (c Chronicle) held(id SpaceID) bool {
	return slices.ContainsFunc(c.Recorded.Versions(), func(v version) bool { return (*v.Value).Space(id) != nil })
}

// checkNames refuses names that would mix up the past of two spaces.
func (c Chronicle) checkNames(last, n *Network, renamed map[SpaceID]SpaceID) error {
	var faults []*Error
	fail := func(id SpaceID, field, msg string, args ...any) {
		at := n.from[id]
		faults = append(faults,
			&Error{File: at.file, Line: at.line, Field: at.field + "." + field, Msg: fmt.Sprintf(msg, args...)},
		)
	}
	former := func(id SpaceID) (SpaceID, bool) {
		if c.names == nil {
			return "", false
		}
		is, was := c.names.present[id]
		return is, was
	}
	came := map[SpaceID]SpaceID{}
	for old, now := range renamed {
		came[now] = old
	}
	for _, sp := range n.Spaces {
		if why := c.wasWithoutEffect(last, &sp, came[sp.ID] != ""); why != "" {
			fail(sp.ID, "was", "%s", why)
		}
		if last.Space(sp.ID) != nil {
			continue
		}
		present, was := former(sp.ID)
		old, isRenamed := came[sp.ID]
		switch {
		case was && (!isRenamed || old != present):
			fail(sp.ID,
				"id",
				"%q is a former name of %s: measurements would be mixed up; add was: %s if the space takes the name back",
				string(sp.ID),
				present,
				present,
			)
		case isRenamed && !was && c.held(sp.ID):
			fail(sp.ID, "id", "%q was another space: a renamed space needs an id that no space had", string(sp.ID))
		}
	}
	return yamldoc.Report("", faults)
}

// wasWithoutEffect returns why the field "was" of a space in the catalogue has no effect. It
// returns "" if the field has an effect, or had its effect in an earlier catalogue.
func (c Chronicle) wasWithoutEffect(last *Network, sp *Space, renamed bool) string {
	if sp.Was == "" || renamed || c.names != nil && c.names.present[sp.Was] == sp.ID {
		return ""
	}
	was := string(sp.Was)
	switch {
	case last.Space(sp.ID) != nil && last.Space(sp.Was) != nil:
		return fmt.Sprintf(
			"%q cannot become %q, which exists already: a renamed space needs an id that no space had",
			was,
			string(sp.ID),
		)
	case last.Space(sp.ID) != nil && c.held(sp.Was):
		return fmt.Sprintf(
			"%q comes too late: %q already exists as another space; put the former catalogue in force from that time on (--since), and then this one",
			was,
			string(sp.ID),
		)
	}
	return fmt.Sprintf("the catalogue before has no space %q", was)
}
