package catalogues

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/rights"
)

// Summary describes a change of the catalogue before it is made.
type Summary struct {
	N           int // number of the catalogue in force
	Since       catalogue.Instant
	Differences []string // from the catalogue in force, one a line
	Touches     []string // what is computed again because of it
	Warnings    []string // what may not be intended
	Unchanged   bool     // this catalogue already holds from that time on
}

// Summarize describes a change that holds from since on.
func Summarize(
	before catalogue.Chronicle,
	change catalogue.Change,
	n *catalogue.Network,
	since, now time.Time,
) Summary {
	last := *before.Recorded.Last()
	out := Summary{
		N:           len(before.Told.Changes()),
		Since:       catalogue.Instant{Time: since},
		Differences: catalogue.Differences(last, n),
		Touches:     touches(change),
		Unchanged:   true,
	}
	for _, p := range catalogue.Pieces(before.Recorded, since, now.Add(time.Millisecond)) {
		out.Unchanged = out.Unchanged && catalogue.Same(p.Network, n)
	}
	local := func(t time.Time) string { return t.In(n.Zone.Location()).Format("2006-01-02 15:04") }
	for _, v := range before.Recorded.Versions() {
		if from := time.UnixMilli(v.From); v.From > dated.Beginning && from.After(since) && !catalogue.Same(*v.Value, n) {
			out.Warnings = append(out.Warnings,
				fmt.Sprintf(
					"catalogue %d, from %s, no longer holds: this one replaces it from %s on",
					v.N,
					local(from),
					local(since),
				),
			)
		}
	}
	if then := catalogue.At(before.Recorded, since); !catalogue.Same(then, last) {
		for _, d := range catalogue.Differences(then, n) {
			out.Warnings = append(out.Warnings, fmt.Sprintf("differs from the catalogue that held on %s: %s", local(since), d))
		}
	}
	for _, gone := range last.Spaces {
		if n.Space(gone.ID) != nil || change.Renamed[gone.ID] != "" {
			continue
		}
		for _, is := range n.Spaces {
			if last.Space(is.ID) == nil && is.Was == "" && is.Building == gone.Building {
				out.Warnings = append(out.Warnings,
					fmt.Sprintf(
						"%s disappears and %s is new: if it was renamed, add was: %s to it, or its past stays under the former name",
						gone.ID,
						is.ID,
						gone.ID,
					),
				)
			}
		}
	}
	return out
}

// touches lists what a change of the catalogue causes to be computed again.
func touches(c catalogue.Change) (list []string) {
	n := *c.After.Told.Last()
	e := catalogue.EffectsOf(c.Before.Told, c.After.Told)
	when := func(t time.Time) string {
		if t.Before(time.UnixMilli(1)) {
			return "the beginning"
		}
		return t.In(n.Zone.Location()).Format("2006-01-02 15:04")
	}
	for _, id := range slices.Sorted(maps.Keys(e.Minutes)) {
		list = append(list, fmt.Sprintf("minutes of %s, from %s", id, when(e.Minutes[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Sums)) {
		list = append(list, fmt.Sprintf("opening hours and places of %s, from %s", id, when(e.Sums[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Visits)) {
		list = append(list, fmt.Sprintf("visits and hours at %s, from %s", id, when(e.Visits[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Hours)) {
		list = append(list,
			fmt.Sprintf(
				"billed hours of %s, from %s: issued months are corrected on the next statements",
				id,
				when(e.Hours[id]),
			),
		)
	}
	return list
}

// CheckReferences refuses a catalogue in which something current or future loses its
// place: tenants, plans and schedules their site; leases, passes and events
// their space. What has ended keeps its names.
func CheckReferences(ctx context.Context, l *ledger.Ledger, change catalogue.Change, now time.Time) error {
	keeper, err := rights.Open(ctx, change.After.Told, l, func() time.Time { return now })
	if err != nil {
		return err
	}
	n := *change.After.Told.Last()
	today := n.Zone.At(now).Day
	var faults []error
	gone := func(what, id string, spaces []catalogue.SpaceID) {
		for _, sp := range spaces {
			if n.Space(sp) == nil {
				faults = append(faults,
					fmt.Errorf(
						"%s %s gives %s, which the new catalogue does not have: end or change it first; if the space was renamed, add was: %s to it",
						what,
						id,
						sp,
						sp,
					),
				)
			}
		}
	}
	book := keeper.InForce().Book
	for l := range book.Leases() {
		if l.EndsOn != nil && *l.EndsOn < today {
			continue
		}
		if n.Site(l.Site) == nil {
			faults = append(faults,
				fmt.Errorf("lease %s belongs to site %s, which the new catalogue does not have: end it first", l.ID, l.Site),
			)
		}
		gone("lease", string(l.ID), l.Spaces)
	}
	for p := range book.Passes() {
		if !p.Deleted && p.ValidTo.After(now) {
			gone("pass", string(p.ID), p.Spaces)
		}
	}
	for e := range book.Events() {
		if e.EndsAt.After(now) {
			gone("event", string(e.ID), e.Spaces)
		}
	}
	return errors.Join(faults...)
}

// Mark renames what is stored under former names of spaces, and marks for
// recomputation what the changed catalogue affects.
func Mark(tx *ledger.Tx, change catalogue.Change, e catalogue.Effects, now time.Time, outbox bool) error {
	for old, name := range change.Renamed {
		if err := tx.RenameSpace(old, name, outbox); err != nil {
			return err
		}
	}
	for space, from := range e.Minutes {
		if err := tx.MarkDirty(space, from, now); err != nil {
			return err
		}
	}
	for space, from := range e.Sums {
		if !outbox {
			break
		}
		if err := tx.AllToOutbox(space, occupancy.MinuteOf(from), occupancy.MinuteAfter(now)); err != nil {
			return err
		}
	}
	for site, from := range e.Visits {
		if err := tx.TouchDoors(everDoors(site, change.Before.Told, change.After.Told), from, now); err != nil {
			return err
		}
	}
	return nil
}

// everDoors returns the doors that a site ever had.
func everDoors(site catalogue.SiteID, histories ...catalogue.History) (list []catalogue.DoorID) {
	for _, h := range histories {
		for _, v := range h.Versions() {
			for _, d := range (*v.Value).Doors {
				if d.Site == site && !slices.Contains(list, d.ID) {
					list = append(list, d.ID)
				}
			}
		}
	}
	return list
}
