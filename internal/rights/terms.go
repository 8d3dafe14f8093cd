package rights

import (
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// Version names a version of a plan or a lease.
type Version struct {
	Key
	N int
}

// when returns from which day the change holds: today, unless it says
// otherwise.
func (c Change) when(m moment) tenancy.When {
	w := tenancy.When{From: m.day, At: m.now, By: m.actor}
	if c.From != nil {
		w.From = *c.From
	}
	return w
}

// termsEdit is the change of a thing's versions.
type termsEdit struct {
	add   bool // the new version, or its end
	n     int  // its number; 0: the next, which the ledger assigns
	from  catalogue.Day
	taken []int // numbers of the changes that it takes back
}

func putPlan(book *tenancy.Book, v tenancy.Plan, w tenancy.When) (edit, error) {
	before := book.PlanTerms(v.ID)
	e := edit{key: Key{KindPlan, string(v.ID)}, action: "put", body: v}
	err := book.PutPlanFrom(v, w)
	e.terms = difference(before, book.PlanTerms(v.ID))
	e.audit = struct {
		tenancy.Plan
		saidOf
	}{v, e.terms.actFields()}
	return e, err
}

func putLease(book *tenancy.Book, v tenancy.Lease, w tenancy.When) (edit, error) {
	before := book.LeaseTerms(v.ID)
	e := edit{key: Key{KindLease, string(v.ID)}, action: "put", body: v}
	err := book.PutLeaseFrom(v, w)
	e.terms = difference(before, book.LeaseTerms(v.ID))
	e.audit = struct {
		tenancy.Lease
		saidOf
	}{v, e.terms.actFields()}
	return e, err
}

// saidOf holds the additional fields in an act on a plan or a lease.
type saidOf struct {
	EffectiveFrom string `json:"effective_from,omitempty"` // from when it holds; absent: the put changed nothing
	TakesBack     []int  `json:"takes_back,omitempty"`     // numbers of the changes that it takes back
}

// actFields returns the additional fields of the edit's act.
func (t *termsEdit) actFields() (s saidOf) {
	if t == nil {
		return s
	}
	if s.TakesBack = t.taken; t.add {
		s.EffectiveFrom = tenancy.WriteDay(t.from)
	}
	return s
}

// difference returns what a change did to a history; nil: nothing.
func difference[T any](before, after tenancy.Terms[T]) *termsEdit {
	old, now := before.Changes(), after.Changes()
	t := &termsEdit{}
	for i := range old {
		if old[i].Stands() && !now[i].Stands() {
			t.taken = append(t.taken, old[i].N)
		}
	}
	if len(now) > len(old) {
		last := now[len(now)-1]
		t.add, t.n, t.from = true, last.N, last.From
	}
	if !t.add && len(t.taken) == 0 {
		return nil
	}
	return t
}

// standing returns changes that end everything that stands in a history.
func standing[T any](h tenancy.Terms[T]) *termsEdit {
	t := &termsEdit{}
	for _, c := range h.Changes() {
		if c.Stands() {
			t.taken = append(t.taken, c.N)
		}
	}
	return t
}

// makeTakeBack takes back a version that has not begun yet. The record then becomes the newest
// version that has not been taken back.
func makeTakeBack(book *tenancy.Book, v Version, m moment) (edit, error) {
	e := edit{key: v.Key, action: "put", terms: &termsEdit{taken: []int{v.N}}}
	switch v.Kind {
	case KindPlan:
		if err := book.TakePlanBack(tenancy.PlanID(v.ID), v.N, m.now); err != nil {
			return e, err
		}
		last := *book.PlanTerms(tenancy.PlanID(v.ID)).Last()
		e.body = last
		e.audit = struct {
			tenancy.Plan
			saidOf
		}{last, e.terms.actFields()}
	case KindLease:
		if err := book.TakeLeaseBack(tenancy.LeaseID(v.ID), v.N, m.now); err != nil {
			return e, err
		}
		last := *book.LeaseTerms(tenancy.LeaseID(v.ID)).Last()
		e.body = last
		e.audit = struct {
			tenancy.Lease
			saidOf
		}{last, e.terms.actFields()}
	default:
		return e, fmt.Errorf("rights: a %s has no versions", v.Kind)
	}
	return e, nil
}

// commit writes the changed versions.
func (t *termsEdit) commit(tx *ledger.Tx, k Key, m moment, body []byte, entry int64) error {
	row := ledger.Terms{Kind: string(k.Kind), ID: k.ID, At: m.now, By: m.actor, Entry: entry}
	if !t.add {
		return tx.PutTerms(row, t.taken)
	}
	row.N, row.From, row.Body = t.n, t.from, body
	if t.n == 0 {
		return tx.PutTenantTerms(row)
	}
	return tx.PutTerms(row, t.taken)
}

// truncated returns an instant with the ledger's precision.
func truncated(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
