package tenancy

import (
	"fmt"
	"slices"
	"time"
)

// DeleteTenant deletes a tenant without members and leases.
func (b *Book) DeleteTenant(id TenantID) error {
	for m := range b.Members() {
		if m.Tenant == id {
			return refers("member", m.ID)
		}
	}
	for l := range b.leaseValues {
		if l.Tenant == id && b.leaseExists(l.ID) {
			return refers("lease", l.ID)
		}
	}
	return remove(b.tenants, id)
}

// DeleteMember deletes a member without credentials, passes, leases and events
// that name them. Deleted passes do not count: they stay, without the visitor's
// name and the host, to answer credential-revoked.
func (b *Book) DeleteMember(id MemberID) error {
	for c := range b.Credentials() {
		if c.Member == id {
			return refers("credential", c.ID)
		}
	}
	for p := range b.Passes() {
		if p.Host == id && !p.Deleted {
			return refers("pass", p.ID)
		}
	}
	for l := range b.leaseValues {
		if slices.Contains(l.Members, id) && b.leaseExists(l.ID) {
			return refers("lease", l.ID)
		}
	}
	for e := range b.Events() {
		if slices.Contains(e.Invited, id) {
			return refers("event", e.ID)
		}
	}
	if err := remove(b.members, id); err != nil {
		return err
	}
	for p := range b.Passes() { // only deleted passes are left: their tokens still answer, without names
		if p.Host == id {
			p.Host, p.Name = "", ""
			b.passes[p.ID] = p
		}
	}
	return nil
}

// DeleteCredential deletes a credential: its badge is then unknown.
func (b *Book) DeleteCredential(id CredentialID) error {
	delete(b.hashes, b.credentials[id].Lookup)
	return remove(b.credentials, id)
}

// DeleteSchedule deletes a schedule that no plan names; always is built in.
func (b *Book) DeleteSchedule(id ScheduleID) error {
	if id == Always {
		return &ConflictError{"id", "the schedule always is built in"}
	}
	for p := range b.Plans() {
		if p.Schedule == id {
			return refers("plan", p.ID)
		}
	}
	return remove(b.schedules, id)
}

// DeletePlan deletes a plan that no version of a lease names, as if it had
// never been.
func (b *Book) DeletePlan(id PlanID, at time.Time) error {
	for l := range b.leaseValues {
		if l.Plan == id {
			return refers("lease", l.ID)
		}
	}
	b.planTerms[id] = never(b.planTerms[id], at)
	return remove(b.plans, id)
}

// DeleteLease deletes a lease, as if it had never been.
func (b *Book) DeleteLease(id LeaseID, at time.Time) error {
	b.leaseTerms[id] = never(b.leaseTerms[id], at)
	return remove(b.leases, id)
}

// leaseExists reports whether a lease exists today. An earlier Totem
// deleted leases by adding a last version without a value: such a lease still has
// versions, but does not exist.
func (b *Book) leaseExists(id LeaseID) bool { _, ok := b.leases[id]; return ok }

// DeletePass ends a pass: its token answers credential-revoked from now on.
func (b *Book) DeletePass(id PassID) error {
	p, there := b.passes[id]
	if !there || p.Deleted {
		return ErrNotFound
	}
	p.Deleted = true
	b.passes[id] = p
	return nil
}

// DeleteEvent cancels an event.
func (b *Book) DeleteEvent(id EventID) error { return remove(b.events, id) }

func remove[K comparable, V any](m map[K]V, id K) error {
	if _, there := m[id]; !there {
		return ErrNotFound
	}
	delete(m, id)
	return nil
}

func refers[ID ~string](kind string, id ID) error {
	return &ConflictError{"", fmt.Sprintf("%s %q refers to it", kind, id)}
}
