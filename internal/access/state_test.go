package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Readers get a new list only where the state of their door has changed: whatever changes a
// list must change it.
func TestWhateverChangesAListChangesTheStateOfItsDoor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		c := access.NewCompiler(w.n)
		before := c.Compile(w.book, w.lockdowns)
		changed := drawn{
			n:         w.n,
			book:      w.book.Clone(),
			lockdowns: w.lockdowns,
			people:    w.people,
			hashes:    w.hashes,
			edges:     w.edges,
		}
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			changed.change(t)
		}
		after := c.Compile(changed.book, changed.lockdowns)
		for range 3 {
			from := changed.instant(t)
			to := from.Add(24 * time.Hour)
			for _, d := range w.n.Doors {
				was, _ := before.ListState(d.ID)
				is, _ := after.ListState(d.ID)
				lists := [2][]access.Entry{
					before.Entries(d.ID, catalogue.In, from, to), after.Entries(d.ID, catalogue.In, from, to),
				}
				if diff := cmp.Diff(lists[0], lists[1]); diff != "" && was == is {
					t.Fatalf("%s has the same state and another list:\n%s", d.ID, diff)
				}
			}
		}
		again := c.Compile(changed.book.Clone(), slices.Clone(changed.lockdowns))
		for _, d := range w.n.Doors {
			one, known := after.ListState(d.ID)
			if other, _ := again.ListState(d.ID); !known || one != other {
				t.Fatalf("%s: the same rights have two states", d.ID)
			}
		}
	})
}

// change changes one thing on which lists may depend. A change that the book refuses changes
// nothing.
func (w *drawn) change(t *rapid.T) {
	spaces := []catalogue.SpaceID{}
	for _, s := range w.n.Spaces {
		spaces = append(spaces, s.ID)
	}
	status := rapid.SampledFrom([]tenancy.Status{tenancy.Active, tenancy.Suspended, tenancy.Lost})
	switch rapid.SampledFrom([]string{
		"lease", "plan", "schedule", "member", "credential", "pass", "event", "lockdown", "end",
	}).Draw(t, "what changes") {
	case "lease":
		for l := range w.book.Leases() {
			switch rapid.IntRange(0, 4).Draw(t, "of the lease") {
			case 0:
				l.Status = status.Draw(t, "status")
			case 1:
				l.Spaces = sample(t, "space", spaces)
			case 2:
				end := l.StartsOn + catalogue.Day(rapid.IntRange(0, 300).Draw(t, "length"))
				l.EndsOn = &end
				w.edges = append(w.edges, w.n.Zone.Start(end+1))
			case 3:
				l.Plan = rapid.SampledFrom([]tenancy.PlanID{"p0", "p1", "p2"}).Draw(t, "plan")
			case 4:
				l.Members = sample(t, "member", w.people)
			}
			_ = w.book.PutLease(l)
			return
		}
	case "plan":
		p, _ := w.book.Plan(rapid.SampledFrom([]tenancy.PlanID{"p0", "p1", "p2"}).Draw(t, "plan"))
		p.Includes, p.Roaming = sample(t, "includes", kinds[1:]), rapid.Bool().Draw(t, "roaming")
		_ = w.book.PutPlan(p)
	case "schedule":
		s, _ := w.book.Schedule(rapid.SampledFrom([]tenancy.ScheduleID{"s0", "s1"}).Draw(t, "schedule"))
		s.Windows = nil
		_ = w.book.PutSchedule(s)
	case "member":
		m, _ := w.book.Member(rapid.SampledFrom(w.people).Draw(t, "member"))
		if m.StaffSites = nil; rapid.Bool().Draw(t, "staff") {
			m.StaffSites = []catalogue.SiteID{"site-1"}
		}
		if m.Roles = nil; rapid.Bool().Draw(t, "responder") {
			m.Roles = []tenancy.MemberRole{tenancy.Responder}
		}
		_ = w.book.PutMember(m)
	case "credential":
		c, _ := w.book.Credential(tenancy.CredentialID(rapid.SampledFrom(w.people).Draw(t, "holder")))
		if rapid.Bool().Draw(t, "status") {
			c.Status = status.Draw(t, "status")
		} else {
			from, to := w.span(t, 4000)
			c.ValidFrom, c.ValidTo = &from, &to
		}
		_ = w.book.PutCredential(c)
	case "pass":
		for p := range w.book.Passes() {
			if p.Deleted = !p.Deleted; rapid.Bool().Draw(t, "times") {
				p.Deleted = !p.Deleted
				p.ValidFrom, p.ValidTo = w.span(t, 5)
			}
			_ = w.book.PutPass(p)
			return
		}
	case "event":
		for e := range w.book.Events() {
			if e.Audience = tenancy.Public; rapid.Bool().Draw(t, "times") {
				e.StartsAt, e.EndsAt = w.span(t, 30)
			}
			e.Spaces = some(t, spaces)
			_ = w.book.PutEvent(e)
			return
		}
	case "lockdown":
		w.lockdowns = append(slices.Clone(w.lockdowns), tenancy.Lockdown{Site: "site-1", From: drawInstant(t, w.n.Zone)})
	case "end":
		for l := range w.book.Leases() {
			_ = w.book.DeleteLease(l.ID, w.n.Zone.Start(l.StartsOn))
			return
		}
	}
}

// A lease of one site changes nothing at another.
func TestAChangeElsewhereLeavesAStateAlone(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	b := tenancy.NewBook(n)
	for _, err := range []error{
		b.PutPlan(tenancy.Plan{ID: "p", Name: "P", Schedule: tenancy.Always}),
		b.PutTenant(tenancy.Tenant{ID: "t", Name: "T", Site: "metz", Kind: tenancy.Company}),
		b.PutMember(tenancy.Member{ID: "m", Tenant: "t", Name: "M"}),
		b.PutCredential(tenancy.Credential{
			ID: "c", Member: "m", Kind: tenancy.Card, Status: tenancy.Active, Lookup: hashOf(1), ForList: hashOf(1),
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := access.NewCompiler(n)
	before := c.Compile(b, nil)
	err = b.PutLease(tenancy.Lease{
		ID: "l", Tenant: "t", Site: "metz", Plan: "p", Status: tenancy.Active, StartsOn: catalogue.Date(2026, 1, 1),
		Spaces: []catalogue.SpaceID{"metz-bureau-101"},
	})
	if err != nil {
		t.Fatal(err)
	}
	after := c.Compile(b, nil)
	changed := 0
	for _, d := range n.Doors {
		was, _ := before.ListState(d.ID)
		is, _ := after.ListState(d.ID)
		if was == is {
			continue
		}
		if changed++; d.Site != "metz" {
			t.Errorf("%s at %s changed", d.ID, d.Site)
		}
	}
	if changed == 0 || changed > 5 {
		t.Errorf("%d doors changed, not those on the way to one office", changed)
	}
	if _, known := after.ListState("nowhere"); known {
		t.Error("an unknown door has a state")
	}
}
