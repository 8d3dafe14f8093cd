package lease

import (
	"errors"
	"maps"

	"github.com/lorntech/totem/internal/catalogue"
)

var ErrNotFound = errors.New("not found")

type Book struct {
	Tenants     map[TenantID]Tenant
	Members     map[MemberID]Member
	Credentials map[CredentialID]Credential
	Schedules   map[ScheduleID]Schedule
	Plans       map[PlanID]Plan
	Leases      map[ID]Lease
	Passes      map[PassID]Pass
	Events      map[EventID]Event
}

func NewBook(*catalogue.Network) *Book {
	return &Book{map[TenantID]Tenant{}, map[MemberID]Member{}, map[CredentialID]Credential{}, map[ScheduleID]Schedule{}, map[PlanID]Plan{}, map[ID]Lease{}, map[PassID]Pass{}, map[EventID]Event{}}
}
func (b *Book) Clone() *Book {
	return &Book{maps.Clone(b.Tenants), maps.Clone(b.Members), maps.Clone(b.Credentials), maps.Clone(b.Schedules), maps.Clone(b.Plans), maps.Clone(b.Leases), maps.Clone(b.Passes), maps.Clone(b.Events)}
}
func (b *Book) PutTenant(v Tenant) error               { b.Tenants[v.ID] = v; return nil }
func (b *Book) PutMember(v Member) error               { b.Members[v.ID] = v; return nil }
func (b *Book) PutCredential(v Credential) error       { b.Credentials[v.ID] = v; return nil }
func (b *Book) PutSchedule(v Schedule) error           { b.Schedules[v.ID] = v; return nil }
func (b *Book) PutPlan(v Plan) error                   { b.Plans[v.ID] = v; return nil }
func (b *Book) PutLease(v Lease) error                 { b.Leases[v.ID] = v; return nil }
func (b *Book) PutPass(v Pass) error                   { b.Passes[v.ID] = v; return nil }
func (b *Book) PutEvent(v Event) error                 { b.Events[v.ID] = v; return nil }
func (b *Book) DeleteTenant(id TenantID) error         { delete(b.Tenants, id); return nil }
func (b *Book) DeleteMember(id MemberID) error         { delete(b.Members, id); return nil }
func (b *Book) DeleteCredential(id CredentialID) error { delete(b.Credentials, id); return nil }
func (b *Book) DeleteSchedule(id ScheduleID) error     { delete(b.Schedules, id); return nil }
func (b *Book) DeletePlan(id PlanID) error             { delete(b.Plans, id); return nil }
func (b *Book) DeleteLease(id ID) error                { delete(b.Leases, id); return nil }
func (b *Book) DeletePass(id PassID) error             { delete(b.Passes, id); return nil }
func (b *Book) DeleteEvent(id EventID) error           { delete(b.Events, id); return nil }
func (b *Book) Member(id MemberID) (Member, bool)      { v, ok := b.Members[id]; return v, ok }
func (b *Book) Pass(id PassID) (Pass, bool)            { v, ok := b.Passes[id]; return v, ok }
func (b *Book) Credential(id CredentialID) (Credential, bool) {
	v, ok := b.Credentials[id]
	return v, ok
}
