package tenancy

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lorntech/totem/internal/catalogue"
)

// FieldError is an error in one field of an entity, as windows[1].to.
type FieldError struct{ Field, Msg string }

// Error writes field and message.
func (e *FieldError) Error() string { return e.Field + ": " + e.Msg }

// ConflictError is why a change that is valid in itself cannot be made. Field
// is empty where it is about the whole entity.
type ConflictError struct{ Field, Msg string }

// Error writes field and message.
func (e *ConflictError) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}

// ErrNotFound is returned where an entity to be deleted does not exist.
var ErrNotFound = errors.New("not found")

// Book holds all tenants, members, credentials, schedules, plans, leases,
// passes and events. Every change is checked against the other records; one
// that does not fit is refused as a whole. A Book is not safe for concurrent
// use; Clone it to change it while others read it.
type Book struct {
	network     *catalogue.Network
	loading     bool // what is put comes from the ledger: newer limits do not apply to it
	tenants     map[TenantID]Tenant
	members     map[MemberID]Member
	credentials map[CredentialID]Credential
	schedules   map[ScheduleID]Schedule
	plans       map[PlanID]Plan
	leases      map[LeaseID]Lease // as they are today
	planTerms   map[PlanID]Terms[Plan]
	leaseTerms  map[LeaseID]Terms[Lease]
	today       catalogue.Day
	passes      map[PassID]Pass
	events      map[EventID]Event
	formers     map[CredentialHash][]Former // by Until
	hashes      map[CredentialHash]string   // owner of each lookup hash: "credential/ID" or "pass/ID"
}

// NewBook returns an empty book for a network.
func NewBook(n *catalogue.Network) *Book {
	return &Book{
		network:     n,
		tenants:     map[TenantID]Tenant{},
		members:     map[MemberID]Member{},
		credentials: map[CredentialID]Credential{},
		schedules:   map[ScheduleID]Schedule{},
		plans:       map[PlanID]Plan{},
		leases:      map[LeaseID]Lease{},
		passes:      map[PassID]Pass{},
		planTerms:   map[PlanID]Terms[Plan]{},
		leaseTerms:  map[LeaseID]Terms[Lease]{},
		today:       math.MaxInt32,
		events:      map[EventID]Event{},
		formers:     map[CredentialHash][]Former{},
		hashes:      map[CredentialHash]string{},
	}
}

// Clone copies the book; entities are never modified and are shared.
func (b *Book) Clone() *Book {
	return &Book{
		network:     b.network,
		tenants:     maps.Clone(b.tenants),
		members:     maps.Clone(b.members),
		credentials: maps.Clone(b.credentials),
		schedules:   maps.Clone(b.schedules),
		plans:       maps.Clone(b.plans),
		leases:      maps.Clone(b.leases),
		planTerms:   maps.Clone(b.planTerms),
		leaseTerms:  maps.Clone(b.leaseTerms),
		today:       b.today,
		loading:     b.loading,
		passes:      maps.Clone(b.passes),
		events:      maps.Clone(b.events),
		formers:     maps.Clone(b.formers),
		hashes:      maps.Clone(b.hashes),
	}
}

// SetLoading marks what is put as coming from the ledger: it was accepted once,
// and newer limits must not keep a service from starting.
func (b *Book) SetLoading(on bool) { b.loading = on }

// sorted iterates a map in order of its keys.
func sorted[K ~string, V any](m map[K]V) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(m[k]) {
				return
			}
		}
	}
}

// Sizes counts what a book holds.
type Sizes struct{ Tenants, Members, Credentials, Leases, Passes int }

// Size counts the book's tenants, members, credentials, leases and passes.
func (b *Book) Size() Sizes {
	return Sizes{len(b.tenants), len(b.members), len(b.credentials), len(b.leases), len(b.passes)}
}

// MembersUnordered iterates in no order, quickly.
func (b *Book) MembersUnordered() iter.Seq[Member] { return maps.Values(b.members) }

// CredentialsUnordered iterates in no order, quickly.
func (b *Book) CredentialsUnordered() iter.Seq[Credential] { return maps.Values(b.credentials) }

// Tenants iterates over all tenants, by id.
func (b *Book) Tenants() iter.Seq[Tenant] { return sorted(b.tenants) }

// Members iterates over all members, by id.
func (b *Book) Members() iter.Seq[Member] { return sorted(b.members) }

// Credentials iterates over all credentials, by id.
func (b *Book) Credentials() iter.Seq[Credential] { return sorted(b.credentials) }

// Schedules iterates by id, without the built-in one.
func (b *Book) Schedules() iter.Seq[Schedule] { return sorted(b.schedules) }

// Plans iterates over all plans, by id.
func (b *Book) Plans() iter.Seq[Plan] { return sorted(b.plans) }

// Leases iterates over all leases, by id.
func (b *Book) Leases() iter.Seq[Lease] { return sorted(b.leases) }

// Passes iterates by id, including deleted ones, which answer
// credential-revoked.
func (b *Book) Passes() iter.Seq[Pass] { return sorted(b.passes) }

// Events iterates over all events, by id.
func (b *Book) Events() iter.Seq[Event] { return sorted(b.events) }

// Tenant returns the tenant with an id; false: there is none.
func (b *Book) Tenant(id TenantID) (Tenant, bool) { return find(b.tenants, id) }

// Member returns the member with an id; false: there is none.
func (b *Book) Member(id MemberID) (Member, bool) { return find(b.members, id) }

// Credential returns the credential with an id; false: there is none.
func (b *Book) Credential(id CredentialID) (Credential, bool) { return find(b.credentials, id) }

// Schedule returns a schedule; the built-in one has no windows.
func (b *Book) Schedule(id ScheduleID) (Schedule, bool) {
	if id == Always {
		return Schedule{ID: Always, Windows: catalogue.Week{}, Holidays: OpenOnHolidays}, true
	}
	return find(b.schedules, id)
}

// Plan returns the plan with an id; false: there is none.
func (b *Book) Plan(id PlanID) (Plan, bool) { return find(b.plans, id) }

// Lease returns the lease with an id; false: there is none.
func (b *Book) Lease(id LeaseID) (Lease, bool) { return find(b.leases, id) }

// Pass returns a pass, also a deleted one.
func (b *Book) Pass(id PassID) (Pass, bool) { return find(b.passes, id) }

// Event returns the event with an id; false: there is none.
func (b *Book) Event(id EventID) (Event, bool) { return find(b.events, id) }

func find[K comparable, V any](m map[K]V, id K) (V, bool) {
	v, ok := m[id]
	return v, ok
}

// checker keeps the first error that is found in a record's fields.
type checker struct {
	book *Book
	err  error
}

func (c *checker) must(ok bool, field, msg string, args ...any) {
	if c.err == nil && !ok {
		c.err = &FieldError{field, fmt.Sprintf(msg, args...)}
	}
}

func (c *checker) id(id string) {
	c.must(catalogue.ValidID(id), "id", "is not an id: lower-case letters, digits and hyphens, at most 64, not \"live\"")
}

func (c *checker) name(field, s string) {
	c.must(strings.TrimSpace(s) != "" && len(s) <= 200, field, "is empty or longer than 200 bytes")
	c.must(
		c.book.loading || utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl),
		field,
		"contains control characters, or is not UTF-8",
	)
}

func oneOf[T ~string](c *checker, field string, value T, values ...T) {
	c.must(slices.Contains(values, value), field, "%q is not one of %v", value, values)
}

// The largest numbers that anybody can mean: a larger one is a typing error,
// and a product of two of these does not overflow.
const (
	mostCents   = 1_000_000_000 // ten million euros
	mostMinutes = 1_000_000     // more than a month has
)

func (c *checker) within(field string, n, most int) {
	c.must(n >= 0, field, "is negative")
	c.must(c.book.loading || n <= most, field, "is larger than %d", most)
}

// The first and last day that leases, passes and events may name.
var (
	earliestDay, latestDay         = catalogue.Date(1990, 1, 1), catalogue.Date(2100, 12, 31)
	earliestInstant, latestInstant = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2101,
		1,
		1,
		0,
		0,
		0,
		0,
		time.UTC,
	)
)

func (c *checker) day(field string, d catalogue.Day) {
	c.must(c.book.loading || d >= earliestDay && d <= latestDay, field, "lies before 1990 or after 2100")
}

func (c *checker) instant(field string, t time.Time) {
	c.must(
		c.book.loading || !t.Before(earliestInstant) && t.Before(latestInstant),
		field,
		"lies before 1990 or after 2100",
	)
}

// optionalSite checks a site that may be the network.
func (c *checker) optionalSite(id *catalogue.SiteID) {
	if id != nil {
		c.site("site", *id)
	}
}

// sameOrNetwork reports whether something of site a may use something of site
// b: its own site's or the network's.
func sameOrNetwork(a, b *catalogue.SiteID) bool { return b == nil || a != nil && *a == *b }

func (c *checker) site(field string, id catalogue.SiteID) {
	c.must(c.book.network.Site(id) != nil, field, "the catalogue has no site %q", id)
}

// spaces checks that spaces exist; spaces that the entity had before may have
// been removed since.
func (c *checker) spaces(ids, had []catalogue.SpaceID) {
	for i, id := range ids {
		c.must(
			c.book.loading || c.book.network.Space(id) != nil || slices.Contains(had, id),
			fmt.Sprintf("spaces[%d]", i),
			"the catalogue has no space %q",
			id,
		)
	}
	unique(c, "spaces", ids)
}

func unique[T comparable](c *checker, field string, list []T) {
	seen := map[T]bool{}
	for i, v := range list {
		c.must(!seen[v], fmt.Sprintf("%s[%d]", field, i), "occurs twice")
		seen[v] = true
	}
}

func (c *checker) members(field string, ids []MemberID) {
	for i, id := range ids {
		_, ok := c.book.members[id]
		c.must(ok, fmt.Sprintf("%s[%d]", field, i), "there is no member %q", id)
	}
	unique(c, field, ids)
}
