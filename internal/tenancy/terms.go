package tenancy

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
)

// Terms is the history of a plan or a lease, by local day.
type Terms[T any] = dated.History[catalogue.Day, T]

// Change is one recorded change of a plan or a lease.
type Change[T any] = dated.Change[catalogue.Day, T]

// Version is a plan or a lease from one local day until the next version's.
type Version[T any] = dated.Version[catalogue.Day, T]

// When holds the day from which a change holds, who recorded it, and at what time.
// The zero value means that it has always been so.
type When struct {
	From catalogue.Day // [dated.Beginning], or a past or future day
	At   time.Time
	By   string
}

// Beginning is how people write the day from which a first version holds.
const Beginning = "beginning"

// WriteDay writes a day from which something holds.
func WriteDay(day catalogue.Day) string {
	if day == dated.Beginning {
		return Beginning
	}
	return day.String()
}

// LeaseVersions returns the versions of a lease. Its dates are as last written,
// for all time: entered late, they change past days.
func LeaseVersions(t Terms[Lease]) []Version[Lease] {
	last := t.Last()
	list := make([]Version[Lease], len(t.Versions()))
	for i, v := range t.Versions() {
		if v.Value != nil {
			l := *v.Value
			l.StartsOn, l.EndsOn = last.StartsOn, last.EndsOn
			v.Value = &l
		}
		list[i] = v
	}
	return list
}

// LeaseOn returns a lease on a day, with its dates as last written, whether
// they cover that day or not; nil where it does not exist.
func LeaseOn(t Terms[Lease], day catalogue.Day) *Lease {
	v := t.On(day)
	if v == nil {
		return nil
	}
	l, last := *v, t.Last()
	l.StartsOn, l.EndsOn = last.StartsOn, last.EndsOn
	return &l
}

// Differs returns the first day on which two histories of a lease differ, of
// the days that either of them covers.
func Differs(a, b Terms[Lease]) (catalogue.Day, bool) {
	var bounds []catalogue.Day
	for _, h := range []Terms[Lease]{a, b} {
		if l := h.Last(); l != nil {
			bounds = append(bounds, l.StartsOn)
			if l.EndsOn != nil {
				bounds = append(bounds, *l.EndsOn+1)
			}
		}
	}
	return dated.Differs(a, b, func(day catalogue.Day, _, _ *Lease) bool {
		x, y := LeaseOn(a, day), LeaseOn(b, day)
		covered, covers := x != nil && x.Covers(day), y != nil && y.Covers(day)
		if !covered || !covers {
			return covered == covers
		}
		x.StartsOn, x.EndsOn = y.StartsOn, y.EndsOn
		return reflect.DeepEqual(x, y)
	}, bounds...)
}

// Covers reports whether a local day lies within the lease's dates, both included.
func (l *Lease) Covers(day catalogue.Day) bool {
	return day >= l.StartsOn && (l.EndsOn == nil || day <= *l.EndsOn)
}

// LeaseTerms returns the history of a lease; empty where there is none.
func (b *Book) LeaseTerms(id LeaseID) Terms[Lease] { return b.leaseTerms[id] }

// PlanTerms returns the history of a plan; empty where there is none.
func (b *Book) PlanTerms(id PlanID) Terms[Plan] { return b.planTerms[id] }

// AllLeaseTerms returns the histories of all leases, by id, also of deleted
// ones.
func (b *Book) AllLeaseTerms() iter.Seq2[LeaseID, Terms[Lease]] {
	return func(yield func(LeaseID, Terms[Lease]) bool) {
		for _, id := range slices.Sorted(maps.Keys(b.leaseTerms)) {
			if !yield(id, b.leaseTerms[id]) {
				return
			}
		}
	}
}

// AllPlanTerms yields the history of each plan, by id.
func (b *Book) AllPlanTerms() iter.Seq2[PlanID, Terms[Plan]] {
	return func(yield func(PlanID, Terms[Plan]) bool) {
		for _, id := range slices.Sorted(maps.Keys(b.planTerms)) {
			if !yield(id, b.planTerms[id]) {
				return
			}
		}
	}
}

// During yields each version of each lease that holds on some day of [first, last],
// together with each version of its plan that holds on some day of [first, last].
func (b *Book) During(first, last catalogue.Day) iter.Seq2[*Lease, *Plan] {
	return func(yield func(*Lease, *Plan) bool) {
		for _, t := range b.AllLeaseTerms() {
			for _, l := range between(LeaseVersions(t), first, last) {
				for _, p := range between(b.planTerms[l.Plan].Versions(), first, last) {
					if !yield(l, p) {
						return
					}
				}
			}
		}
	}
}

// between returns the versions that hold on some day of [first, last].
func between[T any](versions []Version[T], first, last catalogue.Day) (list []*T) {
	for i, v := range versions {
		if v.Value != nil && v.From <= last && (i+1 == len(versions) || versions[i+1].From > first) {
			list = append(list, v.Value)
		}
	}
	return list
}

// Today returns the day whose versions the book returns.
func (b *Book) Today() catalogue.Day { return b.today }

// SetToday makes the book return the versions of a day. It reports whether any
// of them differs from before.
func (b *Book) SetToday(day catalogue.Day) (changed bool) {
	if b.today == day { // nothing to do: every change already updates what holds today
		return false
	}
	b.today = day
	for id, t := range b.leaseTerms {
		if l := LeaseOn(t, day); !reflect.DeepEqual(l, current(b.leases, id)) {
			changed = true
			hold(b.leases, id, l)
		}
	}
	for id, t := range b.planTerms {
		if p := t.On(day); !reflect.DeepEqual(p, current(b.plans, id)) {
			changed = true
			hold(b.plans, id, p)
		}
	}
	return changed
}

func current[K comparable, T any](m map[K]T, id K) *T {
	if v, ok := m[id]; ok {
		return &v
	}
	return nil
}

func hold[K comparable, T any](m map[K]T, id K, v *T) {
	if v == nil {
		delete(m, id)
		return
	}
	m[id] = *v
}

// SetLeaseTerms sets a history that comes from the ledger.
func (b *Book) SetLeaseTerms(id LeaseID, t Terms[Lease]) {
	b.leaseTerms[id] = t
	hold(b.leases, id, LeaseOn(t, b.today))
}

// SetPlanTerms sets a history that comes from the ledger.
func (b *Book) SetPlanTerms(id PlanID, t Terms[Plan]) {
	b.planTerms[id] = t
	hold(b.plans, id, t.On(b.today))
}

// put returns a history with one more change, unless that changes nothing. A change
// that holds by today takes back those that were recorded on the same day and hold
// by today too, as if they had never been (rules 8.4).
func put[T any](b *Book, t Terms[T], held *T, v T, w When) Terms[T] {
	if w.At.IsZero() {
		return dated.Always[catalogue.Day](v)
	}
	if held != nil && reflect.DeepEqual(*held, v) {
		return t
	}
	c := Change[T]{From: w.From, Value: &v, At: w.At, By: w.By}
	return t.Put(c, func(x *Change[T]) bool {
		return w.From <= b.today && x.From <= b.today && !x.At.IsZero() &&
			b.network.Zone.At(x.At).Day == b.network.Zone.At(w.At).Day
	})
}

// ErrBegun is returned where a version to be taken back already holds.
var ErrBegun = &ConflictError{"n", "this version already holds: put a new version, with the day from which it holds"}

// TakeLeaseBack takes back a version of a lease that has not begun.
func (b *Book) TakeLeaseBack(id LeaseID, n int, at time.Time) error {
	t, err := take(b, b.leaseTerms[id], n, at)
	if err == nil {
		b.SetLeaseTerms(id, t)
	}
	return err
}

// TakePlanBack takes back a version of a plan that has not begun.
func (b *Book) TakePlanBack(id PlanID, n int, at time.Time) error {
	t, err := take(b, b.planTerms[id], n, at)
	if err == nil {
		b.SetPlanTerms(id, t)
	}
	return err
}

func take[T any](b *Book, t Terms[T], n int, at time.Time) (Terms[T], error) {
	for _, v := range t.Versions() {
		switch {
		case v.N != n:
		case v.From <= b.today:
			return t, ErrBegun
		default:
			return t.Take(at, func(c *Change[T]) bool { return c.N == n }), nil
		}
	}
	return t, ErrNotFound
}

// never returns a history in which every change was taken back at an instant.
func never[T any](t Terms[T], at time.Time) Terms[T] {
	return t.Take(at, func(*Change[T]) bool { return true })
}

// leaseValues yields every version of every lease.
func (b *Book) leaseValues(yield func(*Lease) bool) {
	for _, t := range b.leaseTerms {
		for _, v := range t.Versions() {
			if v.Value != nil && !yield(v.Value) {
				return
			}
		}
	}
}

// ForgetMember removes a person from every version of leases.
func (b *Book) ForgetMember(id MemberID) {
	for l, t := range b.leaseTerms {
		changes, named := make([]Change[Lease], len(t.Changes())), false
		for i, c := range t.Changes() {
			if c.Value != nil {
				v := *c.Value
				v.Members, named = withoutMember(v.Members, id, named)
				c.Value = &v
			}
			changes[i] = c
		}
		if named {
			b.SetLeaseTerms(l, dated.Of(changes))
		}
	}
}

func withoutMember(list []MemberID, id MemberID, named bool) ([]MemberID, bool) {
	for i, m := range list {
		if m == id {
			out := append([]MemberID{}, list[:i]...)
			return append(out, list[i+1:]...), true
		}
	}
	return list, named
}
