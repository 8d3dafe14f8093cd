package people

import (
	"github.com/lorntech/totem/internal/tenancy"
)

// Entities returns everything in the world as package tenancy has it, each after
// what it refers to. uid and token return the hashes of a badge's UID and of a
// pass's token.
func (w *World) Entities(uid func([]byte) Hashes, token func(string) Hashes) []any {
	var list []any
	add := func(v any) { list = append(list, v) }
	for _, v := range w.Schedules {
		add(v)
	}
	for _, v := range w.Plans {
		add(v)
	}
	for _, v := range w.Tenants {
		add(v)
	}
	for _, v := range w.Members {
		add(v)
	}
	for _, c := range w.Cards {
		h := uid(c.UID)
		add(
			tenancy.Credential{
				ID:        c.Credential,
				Member:    c.Member,
				Kind:      c.Kind,
				Status:    c.Status,
				ValidFrom: c.ValidFrom,
				ValidTo:   c.ValidTo,
				Lookup:    h.Lookup,
				ForList:   h.ForList,
			},
		)
	}
	for _, v := range w.Leases {
		add(v)
	}
	for _, p := range w.Passes {
		h := token(p.Token)
		add(
			tenancy.Pass{
				ID:        p.ID,
				Host:      p.Host,
				Name:      p.Name,
				Spaces:    p.Spaces,
				ValidFrom: p.ValidFrom,
				ValidTo:   p.ValidTo,
				Lookup:    h.Lookup,
				ForList:   h.ForList,
			},
		)
	}
	for _, v := range w.Events {
		add(v)
	}
	return list
}

// Hashes are the two hashes under which a credential is known.
type Hashes struct{ Lookup, ForList tenancy.CredentialHash }
