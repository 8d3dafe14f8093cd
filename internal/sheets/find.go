package sheets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// index finds records by what people call them. It only grows: a result is
// checked against the record's present name.
type index struct {
	ids  map[string][]string
	name func(id string) (string, bool)
}

func (x *index) add(name, id string) {
	if p := plain(name); p != "" && !slices.Contains(x.ids[p], id) {
		x.ids[p] = append(x.ids[p], id)
	}
}

// find returns the ids of the records that have the name now.
func (x *index) find(name string) []string {
	p := plain(name)
	var found []string
	for _, id := range x.ids[p] {
		if now, ok := x.name(id); ok && plain(now) == p {
			found = append(found, id)
		}
	}
	return found
}

// has reports whether there is a record with that id.
func (x *index) has(id string) bool {
	_, ok := x.name(id)
	return ok
}

// fill indexes the book's records by what rows call them: names, addresses, ids.
func (r *reader) fill() {
	named := func(name func(string) (string, bool)) *index { return &index{map[string][]string{}, name} }
	r.tenants = named(func(id string) (string, bool) { t, ok := r.book.Tenant(tenancy.TenantID(id)); return t.Name, ok })
	r.plans = named(func(id string) (string, bool) { p, ok := r.book.Plan(tenancy.PlanID(id)); return p.Name, ok })
	r.people = named(func(id string) (string, bool) { m, ok := r.book.Member(tenancy.MemberID(id)); return m.Name, ok })
	r.mails = named(func(id string) (string, bool) { m, ok := r.book.Member(tenancy.MemberID(id)); return m.Email, ok })
	r.titles = named(func(id string) (string, bool) { e, ok := r.book.Event(tenancy.EventID(id)); return e.Title, ok })
	r.byHash, r.byTerms = map[tenancy.CredentialHash]tenancy.CredentialID{}, map[terms][]tenancy.LeaseID{}
	r.byWords = map[wordsOf][]tenancy.MemberID{}
	r.bySpace = map[catalogue.SpaceID][]tenancy.LeaseID{}
	r.sites = map[string]catalogue.SiteID{}
	for _, site := range r.network.Sites {
		for _, name := range []string{string(site.ID), site.Name, site.City} {
			if _, taken := r.sites[plain(name)]; !taken {
				r.sites[plain(name)] = site.ID
			}
		}
	}
	for v := range r.book.Tenants() {
		r.note(v)
	}
	for v := range r.book.Plans() {
		r.note(v)
	}
	for v := range r.book.MembersUnordered() {
		r.note(v)
	}
	for v := range r.book.CredentialsUnordered() {
		r.note(v)
	}
	for v := range r.book.Leases() {
		r.note(v)
	}
	for v := range r.book.Events() {
		r.note(v)
	}
}

// terms is the key by which leases without ids are found.
type terms struct {
	tenant tenancy.TenantID
	plan   tenancy.PlanID
}

// note indexes a record that is in the book now.
func (r *reader) note(v any) {
	switch v := v.(type) {
	case tenancy.Tenant:
		r.tenants.add(v.Name, string(v.ID))
	case tenancy.Plan:
		r.plans.add(v.Name, string(v.ID))
	case tenancy.Member:
		r.people.add(v.Name, string(v.ID))
		r.mails.add(v.Email, string(v.ID))
		if k := (wordsOf{v.Tenant, turned(v.Name)}); !slices.Contains(r.byWords[k], v.ID) {
			r.byWords[k] = append(r.byWords[k], v.ID)
		}
	case tenancy.Credential:
		r.byHash[v.Lookup] = v.ID
	case tenancy.Event:
		r.titles.add(v.Title, string(v.ID))
	case tenancy.Lease:
		if k := (terms{v.Tenant, v.Plan}); !slices.Contains(r.byTerms[k], v.ID) {
			r.byTerms[k] = append(r.byTerms[k], v.ID)
		}
		for _, id := range v.Spaces {
			if !slices.Contains(r.bySpace[id], v.ID) {
				r.bySpace[id] = append(r.bySpace[id], v.ID)
			}
		}
	}
}

// The finders return the id for what people write. What is not found is
// returned unchanged, for the book to refuse.

func (r *reader) tenant(s string) (string, error) {
	if s == "" {
		return string(r.Tenant), nil
	}
	return only(r.tenants, s)
}

func (r *reader) plan(s string) (string, error) { return only(r.plans, s) }

func (r *reader) member(s string) (string, error) {
	id, err := only(r.people, s)
	if found := r.mails.find(s); err == nil && id == s && strings.Contains(s, "@") && len(found) == 1 {
		return found[0], nil
	}
	return id, err
}

func (r *reader) site(s string) (string, error) {
	if r.network.Site(catalogue.SiteID(s)) != nil {
		return s, nil
	}
	if id := r.sites[plain(s)]; id != "" && plain(s) != "" {
		return string(id), nil
	}
	return s, nil
}

func (r *reader) spaceKind(s string) (string, error) {
	for _, k := range catalogue.SpaceKinds() {
		if names(s, string(k)) {
			return string(k), nil
		}
	}
	return oneWord(s, spaceKinds), nil
}

// only returns the id that a text means; it is an error if several are meant.
func only(x *index, s string) (string, error) {
	if s == "" || x.has(s) {
		return s, nil
	}
	switch found := x.find(s); len(found) {
	case 0:
		return s, nil
	case 1:
		return found[0], nil
	default:
		return s, fmt.Errorf("%d records are called %q: give the id", len(found), s)
	}
}
