// Package tenancy holds who may enter and why: tenants and their members, the
// credentials with which they badge, plans, schedules and leases, visitors'
// passes and events (rules 1.1):
//
//	book := tenancy.NewBook(network)
//	err := book.PutLease(lease) // *FieldError or *ConflictError: it does not fit
//
// A Book holds all of them. Every change is checked there, so that nothing
// refers to what does not exist. Whether a door opens is decided by package
// access; this package has no clock and no storage.
package tenancy

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Identifiers have the form of [catalogue.Slug].
type (
	// TenantID identifies a tenant.
	TenantID string
	// MemberID identifies a member.
	MemberID string
	// CredentialID identifies a credential.
	CredentialID string
	// ScheduleID identifies a schedule.
	ScheduleID string
	// PlanID identifies a plan.
	PlanID string
	// LeaseID identifies a lease.
	LeaseID string
	// PassID identifies a visitor's pass.
	PassID string
	// EventID identifies an event.
	EventID string
)

// Always is the built-in schedule that has no windows and always holds.
const Always ScheduleID = "always"

// Tenant is a company, association or institution.
type Tenant struct {
	ID   TenantID         `json:"id"`
	Name string           `json:"name" required:"true"`
	Site catalogue.SiteID `json:"site" required:"true"`
	Kind TenantKind       `json:"kind" enum:"company,association,institution" required:"true"`
}

// TenantKind is what a tenant is.
type TenantKind string

// The kinds of tenants (rules 1.1).
const (
	Company     TenantKind = "company"
	Association TenantKind = "association"
	Institution TenantKind = "institution"
)

// MemberRole is a role of a member.
type MemberRole string

// Responder is the role of members whom a lockdown does not keep out.
const Responder MemberRole = "responder"

// Member is a person of a tenant.
type Member struct {
	ID         MemberID           `json:"id"`
	Tenant     TenantID           `json:"tenant" required:"true"`
	Name       string             `json:"name" required:"true"`
	Email      string             `json:"email"` // may be empty
	Roles      []MemberRole       `json:"roles" nullable:"false"`
	StaffSites []catalogue.SiteID `json:"staff_sites" nullable:"false"`
}

// Status is a credential's or a lease's.
type Status string

// The statuses.
const (
	Active    Status = "active"
	Lost      Status = "lost"
	Revoked   Status = "revoked"
	Suspended Status = "suspended"
)

// CredentialKind is what a credential is shown with.
type CredentialKind string

// The kinds of credentials.
const (
	Card   CredentialKind = "card"
	Mobile CredentialKind = "mobile"
	QR     CredentialKind = "qr"
)

// HolidayRule is whether a schedule has windows on public holidays.
type HolidayRule string

// The rules of holidays.
const (
	OpenOnHolidays   HolidayRule = "open"
	ClosedOnHolidays HolidayRule = "closed"
)

// Audience is whom an event is for.
type Audience string

// The audiences.
const (
	Public  Audience = "public"  // everybody: its doors stay open
	Invited Audience = "invited" // the members that it invites
)

// CredentialHash is the keyed hash (HMAC-SHA-256) under which a UID or token is
// known.
type CredentialHash [32]byte

// Credential is what a member badges with. The UID itself is never stored:
// Lookup is its hash under the ledger's key, ForList its hash under the key of
// allowlists.
type Credential struct {
	ID        CredentialID
	Member    MemberID
	Kind      CredentialKind
	Status    Status
	ValidFrom *time.Time // nil: without bound
	ValidTo   *time.Time // excluded
	Lookup    CredentialHash
	ForList   CredentialHash
	// Since is when its holder took the badge over from a former one; nil: its
	// first holder has it from the beginning, since badges are often entered
	// late.
	Since *time.Time
}

// Former is a holder that a badge had until an instant. Of an erased one only
// the hash and the instant stay.
type Former struct {
	Lookup CredentialHash
	Member MemberID // empty: erased
	Until  time.Time
}

// Schedule is a set of weekly windows of local time. A schedule with a site is
// for that site's plans alone.
type Schedule struct {
	ID       ScheduleID        `json:"id"`
	Site     *catalogue.SiteID `json:"site"` // nil: the network's
	Windows  catalogue.Week    `json:"windows" nullable:"false"`
	Holidays HolidayRule       `json:"holidays" enum:"open,closed" required:"true"`
}

// Plan is what a lease gives and costs. Money is in cents (EUR), times in
// minutes. A plan with a site is for that site's leases alone, and never roams.
type Plan struct {
	ID                 PlanID                `json:"id"`
	Site               *catalogue.SiteID     `json:"site"` // nil: the network's
	Name               string                `json:"name" required:"true"`
	Includes           []catalogue.SpaceKind `json:"includes" nullable:"false"`
	Roaming            bool                  `json:"roaming"`
	Schedule           ScheduleID            `json:"schedule" required:"true"`
	IncludedMinutes    int                   `json:"included_minutes" required:"true"`
	HourlyRateCents    int                   `json:"hourly_rate_cents" required:"true"`
	RoundingMinutes    int                   `json:"rounding_minutes" required:"true"`
	GraceMinutes       int                   `json:"grace_minutes" required:"true"`
	DailyCapMinutes    int                   `json:"daily_cap_minutes" required:"true"`
	InferredCapMinutes int                   `json:"inferred_cap_minutes"`
	VatPct             float64               `json:"vat_pct" required:"true"`
}

// Lease is a tenant's right to spaces between two dates, both included.
type Lease struct {
	ID             LeaseID             `json:"id"`
	Tenant         TenantID            `json:"tenant" required:"true"`
	Site           catalogue.SiteID    `json:"site" required:"true"`
	Spaces         []catalogue.SpaceID `json:"spaces" nullable:"false"`
	Plan           PlanID              `json:"plan" required:"true"`
	StartsOn       catalogue.Day       `json:"starts_on" format:"date" required:"true"`
	EndsOn         *catalogue.Day      `json:"ends_on" format:"date"` // nil: without end
	Status         Status              `json:"status" enum:"active,suspended" required:"true"`
	Members        []MemberID          `json:"members"` // nil: all members of the tenant
	RentCentsMonth int                 `json:"rent_cents_month" required:"true"`
}

// Pass lets a visitor in; its QR token is a credential without a member.
type Pass struct {
	ID        PassID
	Host      MemberID
	Name      string
	Spaces    []catalogue.SpaceID
	ValidFrom time.Time
	ValidTo   time.Time // excluded
	Deleted   bool      // kept to answer credential-revoked
	Lookup    CredentialHash
	ForList   CredentialHash
	// Claims is what the pass's token says, signed by the site, for readers that
	// cannot ask (rules 4.11); nil: the token is only a random text.
	Claims []byte
}

// Event opens its spaces in [StartsAt, EndsAt).
type Event struct {
	ID       EventID             `json:"id"`
	Title    string              `json:"title"`
	Spaces   []catalogue.SpaceID `json:"spaces"`
	StartsAt time.Time           `json:"starts_at"`
	EndsAt   time.Time           `json:"ends_at"`
	Audience Audience            `json:"audience" enum:"public,invited"`
	Invited  []MemberID          `json:"invited"`
}

// Lockdown is a time during which a site lets only responders in; To is nil
// while it lasts.
type Lockdown struct {
	Site catalogue.SiteID
	From time.Time
	To   *time.Time
}
