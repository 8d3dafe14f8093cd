// Package dated keeps what something was, is and will be: a history of changes,
// each with the day or instant from which it holds and the instant at which it
// was recorded. It answers what held at some time, and what was known of it at
// another.
//
//	var h dated.History[catalogue.Day, Plan]
//	h = h.Put(dated.Change[catalogue.Day, Plan]{From: dated.Beginning, Value: &first, At: monday}, nil)
//	h = h.Put(dated.Change[catalogue.Day, Plan]{From: october, Value: &dearer, At: tuesday}, nil)
//	h.On(september) // first
//	h.On(october)   // dearer
//
// A change is carried into later versions, in each field that still has the
// value that it replaced. Versions are computed from the changes, not stored:
// a change that is taken back leaves nothing behind.
package dated

import (
	"cmp"
	"reflect"
	"slices"
	"time"
)

// Beginning is from when the first version holds: the zero day or instant,
// before every other.
const Beginning = 0

// Change is one recorded change of a thing.
type Change[K cmp.Ordered, T any] struct {
	N     int       // number of the change, from 1
	From  K         // from when it holds; of the first change Beginning
	Value *T        // never modified; nil: from then on the thing does not exist
	At    time.Time // when it was recorded
	By    string    // who recorded it
	Entry int64     // its entry in the audit chain; 0: recorded before entries were noted
	// Gone is when it was taken back or replaced, and GoneEntry the chain's
	// entry of that; zero: it stands.
	Gone      time.Time
	GoneEntry int64
}

// Stands reports whether the change was not taken back.
func (c *Change[K, T]) Stands() bool { return c.Gone.IsZero() }

// Version is what a thing is from one day or instant until the next version
// begins.
type Version[K cmp.Ordered, T any] struct {
	N     int       // number of the change that made it
	At    time.Time // when that was recorded
	From  K
	Value *T // nil: it does not exist
	// Carried lists the fields that were changed by carrying: a change that holds
	// from an earlier day was recorded later than this version.
	Carried []string
}

// History is everything that was ever recorded of one thing. It is immutable:
// changing it returns another.
type History[K cmp.Ordered, T any] struct {
	changes  []Change[K, T]
	versions []Version[K, T]
}

// Of returns a history of changes, sorted by N.
func Of[K cmp.Ordered, T any](changes []Change[K, T]) History[K, T] {
	return History[K, T]{changes, fold(changes)}
}

// Always returns the history of something that never changed.
func Always[K cmp.Ordered, T any](v T) History[K, T] {
	return Of([]Change[K, T]{{N: 1, Value: &v}})
}

// Changes returns all changes, including those taken back. The caller must not
// modify them.
func (h History[K, T]) Changes() []Change[K, T] { return h.changes }

// Versions returns the versions, by From. The caller must not modify them.
func (h History[K, T]) Versions() []Version[K, T] { return h.versions }

// Shares reports whether two histories are the same because they share their
// memory. It compares nothing else.
func (h History[K, T]) Shares(o History[K, T]) bool {
	return len(h.changes) == len(o.changes) && (len(h.changes) == 0 || &h.changes[0] == &o.changes[0])
}

// On returns what holds at a day or an instant; nil where nothing does.
func (h History[K, T]) On(at K) *T { return On(h.versions, at) }

// On returns what holds at a day or an instant, of a history's versions; nil
// where nothing does.
func On[K cmp.Ordered, T any](versions []Version[K, T], at K) *T {
	if i := indexAt(versions, at); i >= 0 {
		return versions[i].Value
	}
	return nil
}

func indexAt[K cmp.Ordered, T any](versions []Version[K, T], at K) int {
	i, found := slices.BinarySearchFunc(versions, at, func(v Version[K, T], at K) int { return cmp.Compare(v.From, at) })
	if found {
		return i
	}
	return i - 1
}

// Until returns when a version ends: the From of the next one; false for the
// last.
func (h History[K, T]) Until(i int) (K, bool) {
	if i+1 < len(h.versions) {
		return h.versions[i+1].From, true
	}
	var none K
	return none, false
}

// Last returns the value of the last recorded change that stands and has a value; nil
// where there is none.
func (h History[K, T]) Last() *T {
	for i := len(h.changes) - 1; i >= 0; i-- {
		if c := &h.changes[i]; c.Stands() && c.Value != nil {
			return c.Value
		}
	}
	return nil
}

// LastEntry returns the chain entry of the change recorded last that still
// stands; 0: none, or recorded before entries were noted.
func (h History[K, T]) LastEntry() int64 {
	for i := len(h.changes) - 1; i >= 0; i-- {
		if c := &h.changes[i]; c.Stands() {
			return c.Entry
		}
	}
	return 0
}

// Put adds a change and numbers it. It takes back the changes for which
// replaced returns true, as if they had never been. The first remaining change
// holds from the beginning, whatever it says.
func (h History[K, T]) Put(c Change[K, T], replaced func(*Change[K, T]) bool) History[K, T] {
	var beginning K
	changes, first := slices.Clone(h.changes), true
	for i := range changes {
		x := &changes[i]
		if x.Stands() && replaced != nil && replaced(x) {
			x.Gone, x.GoneEntry = c.At, c.Entry
		}
		if x.Stands() && x.From == beginning {
			first = false
		}
	}
	c.N = len(changes) + 1
	if first {
		c.From = beginning
	}
	return Of(append(changes, c))
}

// Take takes changes back, as if they had never been.
func (h History[K, T]) Take(at time.Time, taken func(*Change[K, T]) bool) History[K, T] {
	changes := slices.Clone(h.changes)
	for i := range changes {
		if c := &changes[i]; c.Stands() && taken(c) {
			c.Gone = at
		}
	}
	return Of(changes)
}

// AsKnown returns the history of the changes for which known returns true. A change
// was taken back only if known returns true for that too.
func (h History[K, T]) AsKnown(known func(at time.Time, entry int64) bool) History[K, T] {
	var changes []Change[K, T]
	for _, c := range h.changes {
		if !known(c.At, c.Entry) {
			continue
		}
		if !c.Stands() && !known(c.Gone, c.GoneEntry) {
			c.Gone, c.GoneEntry = time.Time{}, 0
		}
		changes = append(changes, c)
	}
	return Of(changes)
}

// fold computes the versions from the changes that stand, in the order of their
// recording.
func fold[K cmp.Ordered, T any](changes []Change[K, T]) []Version[K, T] {
	var versions []Version[K, T]
	for i := range changes {
		if c := &changes[i]; c.Stands() {
			versions = put(versions, c, replacedBy(changes[:i], c))
		}
	}
	return versions
}

// replacedBy returns the value of the last of the earlier changes that c took back
// when it was recorded; nil: none.
func replacedBy[K cmp.Ordered, T any](earlier []Change[K, T], c *Change[K, T]) (v *T) {
	for i := range earlier {
		if x := &earlier[i]; !x.Stands() && x.Gone.Equal(c.At) && x.GoneEntry == c.Entry {
			v = x.Value
		}
	}
	return v
}

// put adds one change to versions and carries it into the later ones. taken is the
// value that the change took back: it counts as replaced where nothing held at the
// change's From.
func put[K cmp.Ordered, T any](versions []Version[K, T], c *Change[K, T], taken *T) []Version[K, T] {
	i := indexAt(versions, c.From)
	old := taken
	if i >= 0 {
		old = versions[i].Value
	}
	v := Version[K, T]{N: c.N, At: c.At, From: c.From, Value: c.Value}
	if i >= 0 && versions[i].From == c.From {
		versions[i] = v
	} else {
		i++
		versions = slices.Insert(versions, i, v)
	}
	if old == nil || c.Value == nil {
		return versions
	}
	for later := i + 1; later < len(versions); later++ {
		if versions[later].Value != nil {
			carry(&versions[later], old, c.Value)
		}
	}
	return versions
}

// carry alters a later version in each field that still has the replaced value.
func carry[K cmp.Ordered, T any](later *Version[K, T], old, put *T) {
	was, is := reflect.ValueOf(old).Elem(), reflect.ValueOf(put).Elem()
	if is.Kind() != reflect.Struct {
		return
	}
	var next reflect.Value
	for i := range is.NumField() {
		if same(was.Field(i), is.Field(i)) {
			continue
		}
		if !next.IsValid() {
			next = reflect.New(is.Type()).Elem()
			next.Set(reflect.ValueOf(later.Value).Elem())
		}
		if same(next.Field(i), was.Field(i)) {
			next.Field(i).Set(is.Field(i))
			later.Carried = append(later.Carried, is.Type().Field(i).Name)
		}
	}
	if next.IsValid() {
		v := next.Interface().(T)
		later.Value = &v
	}
}

func same(a, b reflect.Value) bool { return reflect.DeepEqual(a.Interface(), b.Interface()) }

// Differs returns the first day or instant at which equal returns false for what two
// histories hold; ok false where there is none. equal is called at each boundary of both,
// and at the additional ones given.
func Differs[K cmp.Ordered, T any](a, b History[K, T], equal func(at K, x, y *T) bool, more ...K) (K, bool) {
	bounds := slices.Clone(more)
	for _, h := range []History[K, T]{a, b} {
		for _, v := range h.versions {
			bounds = append(bounds, v.From)
		}
	}
	slices.Sort(bounds)
	for _, at := range slices.Compact(bounds) {
		if !equal(at, a.On(at), b.On(at)) {
			return at, true
		}
	}
	var none K
	return none, false
}
