package api

import (
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// tenants registers the endpoints of tenants. A tenant's token sees its own.
func (s *server) tenants() {
	register(s, resource[tenancy.Tenant]{
		path: "/v1/tenants", noun: "tenant", kind: rights.KindTenant,
		read:   []Role{Admin, Manager, Billing, Tenant},
		write:  []Role{Admin, Manager, Billing},
		id:     func(v *tenancy.Tenant) *string { return (*string)(&v.ID) },
		all:    (*tenancy.Book).Tenants,
		find:   func(b *tenancy.Book, id string) (tenancy.Tenant, bool) { return b.Tenant(tenancy.TenantID(id)) },
		may:    mayTenant,
		change: unchanged[tenancy.Tenant],
	})
}

func mayTenant(c *caller, _ *tenancy.Book, v tenancy.Tenant) bool {
	return c.reaches(v.Site) && (c.role != Tenant || c.tenant == v.ID)
}
