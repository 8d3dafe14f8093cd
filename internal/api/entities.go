package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Credential is a credential as the API writes it; uid is never read back.
type Credential struct {
	ID        tenancy.CredentialID `json:"id"`
	Member    tenancy.MemberID     `json:"member" required:"true"`
	Kind      string               `json:"kind" enum:"card,mobile,qr" required:"true"`
	UID       string               `json:"uid,omitempty" writeOnly:"true" doc:"As in a badge message: hex, dec: and a number, or qr: and a token. Required when the credential is created."`
	Enrolment string               `json:"enrolment,omitempty" writeOnly:"true" doc:"The id of an enrolment at a reader, in place of uid."`
	Status    tenancy.Status       `json:"status" enum:"active,lost,revoked" required:"true"`
	ValidFrom *catalogue.Instant   `json:"valid_from" format:"date-time"`
	ValidTo   *catalogue.Instant   `json:"valid_to" format:"date-time"`
}

// Pass is a visitor's pass as the API writes it; token is in the answer to its
// creation only.
type Pass struct {
	ID        tenancy.PassID      `json:"id"`
	Host      tenancy.MemberID    `json:"host" required:"true"`
	Name      string              `json:"name" required:"true"`
	Spaces    []catalogue.SpaceID `json:"spaces" nullable:"false" required:"true"`
	ValidFrom catalogue.Instant   `json:"valid_from" format:"date-time" required:"true"`
	ValidTo   catalogue.Instant   `json:"valid_to" format:"date-time" required:"true"`
	Token     string              `json:"token,omitempty" readOnly:"true" doc:"What the QR code carries, answered once: a badge message has qr: and this."`
}

// Event is an event as the API writes it.
type Event struct {
	ID       tenancy.EventID     `json:"id"`
	Title    string              `json:"title" required:"true"`
	Spaces   []catalogue.SpaceID `json:"spaces" nullable:"false" required:"true"`
	StartsAt catalogue.Instant   `json:"starts_at" format:"date-time" required:"true"`
	EndsAt   catalogue.Instant   `json:"ends_at" format:"date-time" required:"true"`
	Audience string              `json:"audience" enum:"public,invited" required:"true"`
	Invited  []tenancy.MemberID  `json:"invited" nullable:"false"`
}

// entity describes one kind of record and the rules of its five endpoints.
type entity[T any] struct {
	path, noun  string
	kind        rights.Kind
	read, write []Role
	id          func(*T) *string
	all         func(*tenancy.Book) iter.Seq[T]
	find        func(*tenancy.Book, string) (T, bool)
	// may reports whether the caller's sites or tenant include the record.
	may func(*caller, *tenancy.Book, T) bool
	// owns reports whether the caller may write the record, where that is
	// narrower than may; nil: it may.
	owns func(*caller, T) bool
	// change returns the act that is recorded and what is answered.
	change func(*caller, *tenancy.Book, T) (change rights.Change, answer T, err error)
	// would returns what a change would do, given the book as it would be; nil:
	// there is no dry run.
	would func(ctx context.Context, before, after *tenancy.Book) (*would, error)
	// addition adds to an answer what only this answer contains; nil: nothing.
	addition func(found, answer T, before, after *tenancy.Book) T
}

type putIn[T any] struct {
	MatchPath
	Body T
}

const tagRights = "Tenants and rights"

// register makes an entity's endpoints.
func register[T any](s *server, e entity[T]) {
	one1 := e.path + "/{id}"
	huma.Register(s.api, operation("GET", e.path, tagRights, "List "+e.noun+"s by id.", e.read...), func(ctx context.Context, in *Paging) (*pageOut[T], error) {
		book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
		return cut(*in, only(e.all(book), func(v T) bool { return e.may(c, book, v) }), func(v T) string { return *e.id(&v) })
	})
	huma.Register(s.api, operation("GET", one1, tagRights, "Show a "+e.noun+".", e.read...), func(ctx context.Context, in *IDPath) (*tagged[T], error) {
		book := s.cfg.Rights.InForce().Book
		v, ok := e.find(book, in.ID)
		if !ok || !e.may(callerOf(ctx), book, v) {
			return nil, notFound(e.noun + " " + in.ID)
		}
		return &tagged[T]{etag(v), v}, nil
	})
	put := with(operation("PUT", one1, tagRights, "Make or change a "+e.noun+".", e.write...), http.StatusConflict, http.StatusPreconditionFailed)
	if e.would != nil {
		huma.Register(s.api, put, func(ctx context.Context, in *putDryIn[T]) (*tagged[T], error) {
			return putEntity(ctx, s, e, &putIn[T]{in.MatchPath, in.Body}, in.DryRun)
		})
	} else {
		huma.Register(s.api, put, func(ctx context.Context, in *putIn[T]) (*tagged[T], error) {
			return putEntity(ctx, s, e, in, false)
		})
	}
	huma.Register(s.api, with(operation("DELETE", one1, tagRights, "Delete a "+e.noun+" that nothing refers to.", e.write...), http.StatusConflict, http.StatusPreconditionFailed), func(ctx context.Context, in *MatchPath) (*empty, error) {
		book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
		v, ok := e.find(book, in.ID)
		if !ok || !e.may(c, book, v) {
			return nil, notFound(e.noun + " " + in.ID)
		}
		if e.owns != nil && !e.owns(c, v) {
			return nil, forbidden(e.noun + " " + in.ID)
		}
		return nil, s.fail(s.cfg.Rights.Apply(ctx, c.id, rights.Change{Delete: &rights.Key{Kind: e.kind, ID: in.ID}, Expect: e.expect(in)}))
	})
}

// putDryIn is the input of a PUT of what has versions.
type putDryIn[T any] struct {
	MatchPath
	Body   T
	DryRun bool `query:"dry_run" doc:"Answer what the change would do (under would), and do nothing."`
}

func putEntity[T any](ctx context.Context, s *server, e entity[T], in *putIn[T], dry bool) (*tagged[T], error) {
	id := e.id(&in.Body)
	if *id != "" && *id != in.ID {
		return nil, invalid("body", "id", "differs from the id in the path")
	}
	*id = in.ID
	book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
	old, there := e.find(book, in.ID)
	if there && !e.may(c, book, old) {
		return nil, notFound(e.noun + " " + in.ID)
	}
	if there && e.owns != nil && !e.owns(c, old) {
		return nil, forbidden(e.noun + " " + in.ID)
	}
	change, answer, err := e.change(c, book, in.Body)
	if err != nil {
		return nil, s.fail(err)
	}
	// The book's own faults are reported first: only a valid record can belong
	// to somebody else.
	if err := s.cfg.Rights.Check(change); err != nil {
		return nil, s.fail(err)
	}
	if !e.may(c, book, in.Body) || e.owns != nil && !e.owns(c, in.Body) {
		return nil, forbidden("this " + e.noun)
	}
	change.Expect = e.expect(&in.MatchPath)
	if dry {
		return dryRun(ctx, s, e, in.ID, change)
	}
	if err := s.cfg.Rights.Apply(ctx, c.id, change); err != nil {
		return nil, s.fail(err)
	}
	current, after := answer, s.cfg.Rights.InForce().Book
	if v, ok := e.find(after, in.ID); ok { // the record with its defaults
		current = v
		if e.addition != nil {
			v = e.addition(v, answer, book, after)
		}
		answer = v
	}
	return &tagged[T]{etag(current), answer}, nil
}

// dryRun answers what a change would do.
func dryRun[T any](ctx context.Context, s *server, e entity[T], id string, change rights.Change) (*tagged[T], error) {
	before, draft := s.cfg.Rights.InForce().Book, s.cfg.Rights.Draft()
	if change.Expect != nil {
		if err := change.Expect(before); err != nil {
			return nil, s.fail(err)
		}
	}
	if err := draft.Change(change); err != nil {
		return nil, s.fail(err)
	}
	v, _ := e.find(draft.Book(), id)
	would, err := e.would(ctx, before, draft.Book())
	if err != nil {
		return nil, s.fail(err)
	}
	v = e.addition(v, v, before, draft.Book())
	if d, ok := any(&v).(dry); ok {
		d.set(would)
	}
	return &tagged[T]{etag(v), v}, nil
}

// expect checks, within the change, the state that the caller has read: of two
// callers who have read the same state, one gets 412.
func (e entity[T]) expect(in *MatchPath) func(*tenancy.Book) error {
	if in.IfMatch == "" {
		return nil
	}
	return func(b *tenancy.Book) error {
		v, ok := e.find(b, in.ID)
		if !ok {
			return problem(http.StatusPreconditionFailed, "it is not there")
		}
		return ifMatch(in.IfMatch, v)
	}
}

// same leaves a record as it came.
func same[T any](_ *caller, _ *tenancy.Book, v T) (rights.Change, T, error) {
	return rights.Change{Put: v}, v, nil
}

// ownsTerms reports whether a caller may write something of a site, or of the
// network: prices and hours of all sites are for admins alone.
func ownsTerms(c *caller, site *catalogue.SiteID) bool {
	return c.role == Admin || site != nil && c.reaches(*site)
}

func (s *server) entities() {
	people := []Role{Admin, Manager, Tenant}
	register(s, entity[tenancy.Tenant]{path: "/v1/tenants", noun: "tenant", kind: rights.KindTenant, read: []Role{Admin, Manager, Billing, Tenant}, write: []Role{Admin, Manager, Billing},
		id: func(v *tenancy.Tenant) *string { return (*string)(&v.ID) }, all: (*tenancy.Book).Tenants, change: same[tenancy.Tenant],
		find: func(b *tenancy.Book, id string) (tenancy.Tenant, bool) { return b.Tenant(tenancy.TenantID(id)) },
		may: func(c *caller, _ *tenancy.Book, v tenancy.Tenant) bool {
			return c.reaches(v.Site) && (c.role != Tenant || c.tenant == v.ID)
		}})
	register(s, entity[tenancy.Member]{path: "/v1/members", noun: "member", kind: rights.KindMember, read: people, write: people,
		id: func(v *tenancy.Member) *string { return (*string)(&v.ID) }, all: (*tenancy.Book).Members, change: s.changeMember, may: mayMember,
		find: func(b *tenancy.Book, id string) (tenancy.Member, bool) { return b.Member(tenancy.MemberID(id)) }})
	register(s, entity[Credential]{path: "/v1/credentials", noun: "credential", kind: rights.KindCredential, read: people, write: people,
		id: func(v *Credential) *string { return (*string)(&v.ID) }, change: s.changeCredential,
		all: func(b *tenancy.Book) iter.Seq[Credential] { return convert(b.Credentials(), showCredential) },
		find: func(b *tenancy.Book, id string) (Credential, bool) {
			v, ok := b.Credential(tenancy.CredentialID(id))
			return showCredential(v), ok
		},
		may: func(c *caller, b *tenancy.Book, v Credential) bool { return s.mayPerson(c, b, v.Member) }})
	register(s, entity[tenancy.Schedule]{path: "/v1/schedules", noun: "schedule", kind: rights.KindSchedule, read: []Role{Admin, Manager, Billing}, write: []Role{Admin, Manager},
		id: func(v *tenancy.Schedule) *string { return (*string)(&v.ID) }, all: (*tenancy.Book).Schedules, change: same[tenancy.Schedule],
		may:  func(c *caller, _ *tenancy.Book, v tenancy.Schedule) bool { return v.Site == nil || c.reaches(*v.Site) },
		owns: func(c *caller, v tenancy.Schedule) bool { return ownsTerms(c, v.Site) },
		find: func(b *tenancy.Book, id string) (tenancy.Schedule, bool) { return b.Schedule(tenancy.ScheduleID(id)) }})
	s.terms()
	register(s, entity[Pass]{path: "/v1/passes", noun: "pass", kind: rights.KindPass, read: people, write: people,
		id: func(v *Pass) *string { return (*string)(&v.ID) }, change: s.changePass,
		addition: func(found, answer Pass, _, _ *tenancy.Book) Pass { found.Token = answer.Token; return found },
		all: func(b *tenancy.Book) iter.Seq[Pass] {
			return convert(only(b.Passes(), func(p tenancy.Pass) bool { return !p.Deleted }), showPass)
		},
		find: func(b *tenancy.Book, id string) (Pass, bool) {
			v, ok := b.Pass(tenancy.PassID(id))
			return showPass(v), ok && !v.Deleted
		},
		may: func(c *caller, b *tenancy.Book, v Pass) bool {
			return s.maySpaces(c, v.Spaces) && s.mayPerson(c, b, v.Host)
		}})
	register(s, entity[Event]{path: "/v1/events", noun: "event", kind: rights.KindEvent, read: []Role{Admin, Manager}, write: []Role{Admin, Manager},
		id: func(v *Event) *string { return (*string)(&v.ID) },
		change: func(_ *caller, _ *tenancy.Book, v Event) (rights.Change, Event, error) {
			return rights.Change{Put: tenancy.Event{ID: v.ID, Title: v.Title, Spaces: v.Spaces, StartsAt: milli(v.StartsAt), EndsAt: milli(v.EndsAt), Audience: v.Audience, Invited: v.Invited}}, v, nil
		},
		all: func(b *tenancy.Book) iter.Seq[Event] { return convert(b.Events(), showEvent) },
		find: func(b *tenancy.Book, id string) (Event, bool) {
			v, ok := b.Event(tenancy.EventID(id))
			return showEvent(v), ok
		},
		may: func(c *caller, _ *tenancy.Book, v Event) bool { return s.maySpaces(c, v.Spaces) }})
}

func convert[A, B any](all iter.Seq[A], f func(A) B) iter.Seq[B] {
	return func(yield func(B) bool) {
		for v := range all {
			if !yield(f(v)) {
				return
			}
		}
	}
}

func (s *server) maySpaces(c *caller, spaces []catalogue.SpaceID) bool {
	for _, id := range spaces {
		if sp := s.cfg.Network.Space(id); sp != nil && !c.reaches(sp.Site) {
			return false
		}
	}
	return true
}

// mayMember checks that a member is the caller's tenant's, or of its sites: of
// a tenant there, or staff there.
func mayMember(c *caller, b *tenancy.Book, m tenancy.Member) bool {
	t, ok := b.Tenant(m.Tenant)
	if ok && !c.reaches(t.Site) {
		return false
	}
	return c.role != Tenant || m.Tenant == c.tenant
}

func (s *server) mayPerson(c *caller, b *tenancy.Book, id tenancy.MemberID) bool {
	m, ok := b.Member(id)
	return ok && mayMember(c, b, m)
}

// changeMember keeps roles and staff sites that a tenant, or a manager of
// another site, may not give.
func (s *server) changeMember(c *caller, b *tenancy.Book, v tenancy.Member) (rights.Change, tenancy.Member, error) {
	old, there := b.Member(v.ID)
	if c.role == Tenant && !there {
		n := 0
		for m := range b.MembersUnordered() {
			if m.Tenant == c.tenant {
				n++
			}
		}
		if err := s.cfg.Most.check("members", n, s.cfg.Most.Members); err != nil {
			return rights.Change{}, v, err
		}
	}
	if c.role == Tenant && (!equalLists(v.Roles, old.Roles) || !equalLists(v.StaffSites, old.StaffSites)) {
		return rights.Change{}, v, forbidden("a role or staff site")
	}
	for _, site := range v.StaffSites {
		if !c.reaches(site) && !contains(old.StaffSites, site) {
			return rights.Change{}, v, forbidden("staff site " + string(site))
		}
	}
	return rights.Change{Put: v}, v, nil
}

func equalLists[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func contains[T comparable](list []T, v T) bool {
	for _, w := range list {
		if w == v {
			return true
		}
	}
	return false
}

func (s *server) changeCredential(caller *caller, b *tenancy.Book, v Credential) (rights.Change, Credential, error) {
	c := tenancy.Credential{ID: v.ID, Member: v.Member, Kind: v.Kind, Status: v.Status, ValidFrom: milliOrNil(v.ValidFrom), ValidTo: milliOrNil(v.ValidTo)}
	old, there := b.Credential(v.ID)
	if there {
		c.Lookup, c.ForList = old.Lookup, old.ForList
	} else if caller.role == Tenant {
		n := 0
		for o := range b.CredentialsUnordered() {
			if m, _ := b.Member(o.Member); m.Tenant == caller.tenant {
				n++
			}
		}
		if err := s.cfg.Most.check("credentials", n, s.cfg.Most.Credentials); err != nil {
			return rights.Change{}, v, err
		}
	}
	if v.UID != "" {
		parsed, err := wire.ParseCredential(v.UID)
		if err != nil {
			return rights.Change{}, v, invalid("body", "uid", err.Error())
		}
		if err := parsed.CheckEntry(); err != nil {
			return rights.Change{}, v, invalid("body", "uid", err.Error())
		}
		c.Lookup, c.ForList = wire.HashCredential(s.cfg.Keys.Lookup(), parsed), wire.HashCredential(s.cfg.Keys.List(), parsed)
	}
	if v.Enrolment != "" {
		if err := s.enrolled(&v, &c); err != nil {
			return rights.Change{}, v, err
		}
	}
	v.UID, v.Enrolment = "", ""
	return rights.Change{Put: c}, v, nil
}

func (s *server) changePass(c *caller, b *tenancy.Book, v Pass) (rights.Change, Pass, error) {
	p := tenancy.Pass{ID: v.ID, Host: v.Host, Name: v.Name, Spaces: v.Spaces, ValidFrom: milli(v.ValidFrom), ValidTo: milli(v.ValidTo)}
	v.Token = ""
	if c.role == Tenant {
		if err := s.tenantsPass(c, b, v); err != nil {
			return rights.Change{}, v, err
		}
	}
	if old, ok := b.Pass(v.ID); ok {
		if old.Deleted {
			return rights.Change{}, v, &tenancy.ConflictError{Field: "id", Msg: "this pass was deleted; make another"}
		}
		p.Lookup, p.ForList = old.Lookup, old.ForList
		return rights.Change{Put: p}, v, nil
	}
	v.Token = keys.NewSecret()
	token := wire.Credential{QR: true, Bytes: []byte(v.Token)}
	p.Lookup, p.ForList = wire.HashCredential(s.cfg.Keys.Lookup(), token), wire.HashCredential(s.cfg.Keys.List(), token)
	return rights.Change{Put: p}, v, nil
}

// longestPass is how long a tenant's pass may last: whoever comes for longer
// should be a member.
const longestPass = 31 * 24 * time.Hour

// tenantsPass refuses a pass of a tenant for spaces that its leases do not give
// while it lasts, for more than a month, or beyond the number that the settings
// allow.
func (s *server) tenantsPass(c *caller, b *tenancy.Book, v Pass) error {
	for i, id := range v.Spaces {
		if s.cfg.Network.Space(id) != nil && !s.tenantHasSpace(b, c.tenant, id, milli(v.ValidFrom), milli(v.ValidTo)) {
			return invalid("body", fmt.Sprintf("spaces[%d]", i), "a tenant's pass opens only what its own leases give while it lasts")
		}
	}
	if v.ValidTo.Sub(v.ValidFrom.Time) > longestPass {
		return invalid("body", "valid_to", "is more than 31 days after valid_from: a tenant's pass lasts no longer")
	}
	if _, there := b.Pass(v.ID); there {
		return nil
	}
	n := 0
	for p := range b.Passes() {
		if host, _ := b.Member(p.Host); !p.Deleted && host.Tenant == c.tenant && p.ValidTo.After(s.cfg.Now()) {
			n++
		}
	}
	return s.cfg.Most.check("passes", n, s.cfg.Most.Passes)
}

// tenantHasSpace reports whether some active lease gives a tenant a space on some day of
// a period.
func (s *server) tenantHasSpace(b *tenancy.Book, t tenancy.TenantID, space catalogue.SpaceID, from, to time.Time) bool {
	first, last := s.cfg.Network.Zone.At(from).Day, s.cfg.Network.Zone.At(to).Day
	for l, plan := range b.During(first, last) {
		if l.Tenant == t && l.Status == tenancy.Active && l.StartsOn <= last && (l.EndsOn == nil || *l.EndsOn >= first) && b.Gives(l, plan, space) {
			return true
		}
	}
	return false
}

// Most limits how many things a tenant's token may create: what it creates
// makes every reader's list longer.
type Most struct{ Members, Credentials, Passes int }

func (m Most) check(what string, have, most int) error {
	if have < most {
		return nil
	}
	return problem(http.StatusConflict, fmt.Sprintf("this tenant has %d %s, the most that the settings allow; delete some, or ask the operator to raise the limit", have, what))
}
