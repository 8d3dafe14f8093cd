package sheets

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// rowFault is a fault in a row, at a column.
type rowFault struct{ column, message string }

func (f rowFault) Error() string { return f.column + " " + f.message }

func noID(*reader, cells) (string, []any, error) { return "", nil, rowFault{"id", "is missing"} }

// byName returns the id of a row that has only a name: that of the record with
// this name, else a new one.
func (r *reader) byName(x *index, name, column string) (string, []any, error) {
	if name == "" {
		return "", nil, rowFault{column, "is missing: where there is no id, the id is made from it"}
	}
	switch found := x.find(name); len(found) {
	case 0:
		id, err := r.free(name, column, x.has)
		return id, nil, err
	case 1:
		return found[0], nil, nil
	default:
		return "", nil, rowFault{column, fmt.Sprintf("%d records are called %q: give the id", len(found), name)}
	}
}

// free makes an id from a name; neither a record nor a row of this sheet has
// it.
func (r *reader) free(name, column string, taken func(string) bool) (string, error) {
	base := slug(name)
	if base == "" {
		return "", rowFault{column, fmt.Sprintf("no id can be made from %q: give one in a column id", name)}
	}
	id := base
	for n := 2; taken(id) || r.seen[id] > 0; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id, nil
}

// person finds the id of a row's member: by name among those of the tenant,
// else a new one made from the name.
func (r *reader) person(c cells) (string, error) {
	name := c.fullName()
	if name == "" {
		return "", rowFault{"name", "is missing"}
	}
	tenant, err := r.tenant(c["tenant"])
	if err != nil {
		return "", rowFault{"tenant", err.Error()}
	}
	var found []string
	for _, spelled := range []string{name, strings.TrimSpace(c["lastname"] + " " + c["firstname"])} {
		for _, id := range r.people.find(spelled) {
			if m, _ := r.book.Member(tenancy.MemberID(id)); string(m.Tenant) == tenant && !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
	}
	switch len(found) {
	case 0:
		return r.free(name, "name", r.people.has)
	case 1:
		return found[0], nil
	}
	return "", rowFault{"name", fmt.Sprintf("%d members are called %q there: give the id", len(found), name)}
}

// lease finds the id of a row's lease: the one with its tenant, plan and
// beginning, else a new one, which must not overlap another one like it.
func (r *reader) lease(c cells) (string, error) {
	tenant, err := r.tenant(c["tenant"])
	if err != nil {
		return "", rowFault{"tenant", err.Error()}
	}
	plan, err := r.plan(c["plan"])
	if err != nil {
		return "", rowFault{"plan", err.Error()}
	}
	if tenant == "" || plan == "" {
		return "", rowFault{"id", "is missing: without it the row needs tenant and plan"}
	}
	var found []tenancy.Lease
	for _, id := range r.byTerms[terms{tenancy.TenantID(tenant), tenancy.PlanID(plan)}] {
		if l, ok := r.book.Lease(id); ok && string(l.Tenant) == tenant && string(l.Plan) == plan {
			found = append(found, l)
		}
	}
	if c["starts_on"] == "" {
		switch len(found) {
		case 0:
			return r.free(tenant+" "+plan, "plan", r.leased)
		case 1:
			return string(found[0].ID), nil
		}
		return "", rowFault{"plan", fmt.Sprintf("there are %d such leases: give the id, or when it starts", len(found))}
	}
	begin, err := parseDay(c["starts_on"])
	if err != nil {
		return "", rowFault{"starts_on", err.Error()}
	}
	spaces := parseList[catalogue.SpaceID](c["spaces"])
	slices.Sort(spaces)
	same := func(l tenancy.Lease) bool { return slices.Equal(slices.Sorted(slices.Values(l.Spaces)), spaces) }
	begun := slices.DeleteFunc(
		slices.Clone(found),
		func(l tenancy.Lease) bool { return l.StartsOn != begin || r.seen[string(l.ID)] > 0 },
	)
	if i := slices.IndexFunc(begun, same); i >= 0 {
		return string(begun[i].ID), nil
	}
	if len(begun) == 1 {
		return string(begun[0].ID), nil
	}
	if len(begun) > 1 {
		return "", rowFault{"plan", fmt.Sprintf("%d such leases start on that day: give the id", len(begun))}
	}
	for _, l := range found { // a typing error in the date would have it paid twice
		ended := l.EndsOn != nil && *l.EndsOn < begin
		before := false
		if end, err := parseDay(c["ends_on"]); err == nil {
			before = end < l.StartsOn
		}
		if same(l) && !ended && !before && r.seen[string(l.ID)] == 0 {
			return "", rowFault{
				"starts_on",
				fmt.Sprintf(
					"lease %s of the same tenant and plan covers that day: give its id to change it, or end it before",
					l.ID,
				),
			}
		}
	}
	if len(found) == 0 {
		return r.free(tenant+" "+plan, "plan", r.leased)
	}
	return r.free(tenant+" "+plan+" "+begin.String(), "plan", r.leased)
}

func (r *reader) leased(id string) bool { _, ok := r.book.Lease(tenancy.LeaseID(id)); return ok }

// event finds the id of a row's event: the one with its title and day, else a
// new one.
func (r *reader) event(c cells) (string, error) {
	title := c["title"]
	if title == "" {
		return "", rowFault{"title", "is missing: where there is no id, the id is made from it"}
	}
	begin, err := parseInstant(c["starts_at"], r.network.Zone)
	if err != nil {
		return only(r.titles, title)
	}
	day := r.network.Zone.At(begin).Day
	for _, id := range r.titles.find(title) {
		if e, _ := r.book.Event(tenancy.EventID(id)); r.network.Zone.At(e.StartsAt).Day == day && r.seen[id] == 0 {
			return id, nil
		}
	}
	return r.free(title+" "+day.String(), "title", r.titles.has)
}

// badge finds the id of a row's badge: the one with its UID, else a new one
// made from its member's. A member who is only named is created, if necessary.
func (r *reader) badge(c cells) (string, []any, error) {
	var before []any
	m, err := r.holderOf(c)
	if err != nil {
		return "", nil, err
	}
	if _, there := r.book.Member(m.ID); !there && m.Name != "" {
		before = append(before, m)
	}
	r.holder = m.ID
	var uid []wire.Credential // one, unless two spellings disagree: that is reported where they are read
	for _, spelled := range []string{c["uid"], decimalUID(c["decimal"])} {
		if parsed, err := wire.ParseCredential(spelled); err == nil && (len(uid) == 0 || parsed.String() != uid[0].String()) {
			uid = append(uid, parsed)
		}
	}
	if len(uid) == 1 {
		if old, ok := r.byHash[wire.HashCredential(r.keys.Lookup(), uid[0])]; ok {
			return string(old), before, nil
		}
	}
	id, err := r.free(
		string(m.ID)+" badge",
		"member",
		func(id string) bool { _, taken := r.book.Credential(tenancy.CredentialID(id)); return taken },
	)
	return id, before, err
}

// holderOf returns the member whose badge a row means: an existing one, or one
// to be created.
func (r *reader) holderOf(c cells) (tenancy.Member, error) {
	if s := c["member"]; s != "" {
		if m, there := r.book.Member(tenancy.MemberID(s)); there {
			return m, nil
		}
		if c["tenant"] != "" { // where others elsewhere have the same name
			id, err := r.person(cells{"name": s, "tenant": c["tenant"]})
			if m, there := r.book.Member(tenancy.MemberID(id)); err == nil && there {
				return m, nil
			}
		}
		id, err := r.member(s)
		if err != nil {
			return tenancy.Member{}, rowFault{"member", err.Error()}
		}
		return tenancy.Member{ID: tenancy.MemberID(id)}, nil
	}
	name := c.fullName()
	if name == "" {
		return tenancy.Member{}, rowFault{"member", "is missing"}
	}
	if c["tenant"] == "" && r.Tenant == "" {
		id, err := r.member(name)
		if err != nil {
			return tenancy.Member{}, rowFault{"member", err.Error()}
		}
		if m, there := r.book.Member(tenancy.MemberID(id)); there {
			return m, nil
		}
		return tenancy.Member{}, rowFault{
			"member",
			"no member has this name: add a column tenant, or name the tenant of the import",
		}
	}
	id, err := r.person(c)
	if err != nil {
		return tenancy.Member{}, err
	}
	if m, ok := r.book.Member(tenancy.MemberID(id)); ok {
		return m, nil
	}
	tenant, _ := r.tenant(c["tenant"]) // person has read it
	return tenancy.Member{
		ID:         tenancy.MemberID(id),
		Tenant:     tenancy.TenantID(tenant),
		Name:       name,
		Email:      c["email"],
		Roles:      []tenancy.MemberRole{},
		StaffSites: []catalogue.SiteID{},
	}, nil
}

// holds checks that the badge's holder is of the tenant that the row names.
func (r *reader) holds() error {
	m, there := r.book.Member(r.holder)
	tenant, err := r.tenant(r.row["tenant"])
	if err == nil && there && r.row["tenant"] != "" && string(m.Tenant) != tenant {
		return fmt.Errorf("the badge's member %s belongs to the tenant %s", m.ID, m.Tenant)
	}
	return err
}

// leastUID is the least number of bytes in a badge's UID (ISO 14443: 4, 7 or
// 10).
const leastUID = 4

// uid reads a UID as one column spells it; where two do, they must agree.
func (r *reader) uid(v *tenancy.Credential, written, spelled string) error {
	if written == "" {
		return nil // the present one stays
	}
	if strings.HasPrefix(spelled, "dec:") &&
		strings.ContainsFunc(spelled[len("dec:"):], func(c rune) bool { return c < '0' || c > '9' }) {
		return errors.New("is not a whole number: format the column as text")
	}
	c, err := wire.ParseCredential(spelled)
	if err != nil {
		return err
	}
	if !c.QR && len(c.Bytes) < leastUID {
		return fmt.Errorf(
			"has %d bytes, a badge's UID has 4, 7 or 10: did a spreadsheet remove zeros from its beginning?",
			len(c.Bytes),
		)
	}
	if err := c.CheckEntry(); err != nil {
		return err
	}
	lookup := wire.HashCredential(r.keys.Lookup(), c)
	if r.read && v.Lookup != lookup {
		return errors.New("differs from the UID in the other column")
	}
	r.read = true
	v.Lookup, v.ForList = lookup, wire.HashCredential(r.keys.List(), c)
	return nil
}

// decimalUID returns a badge's decimal number in the form of rules 2.5: dec: and the digits, without spaces and leading
// zeros.
func decimalUID(s string) string {
	digits := strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return -1
		}
		return c
	}, s)
	return "dec:" + strings.TrimLeft(digits, "0")
}
