package rights

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// load fills the book from the ledger's records, each kind after those to which
// it refers.
func load(ctx context.Context, book *tenancy.Book, store Store, n *catalogue.Network) error {
	byKind := map[Kind][]ledger.Record{}
	err := store.Records(ctx, func(r ledger.Record) error {
		byKind[Kind(r.Kind)] = append(byKind[Kind(r.Kind)], r)
		return nil
	})
	if err != nil {
		return err
	}
	for _, kind := range append(Kinds(), kindFormer) {
		for _, r := range byKind[kind] {
			if err := loadOne(book, kind, r, n); err != nil {
				return fmt.Errorf("the ledger's %s %q does not fit the catalogue: %w", kind, r.ID, err)
			}
		}
	}
	return loadTerms(ctx, book, store, n)
}

// loadTerms adds the versions of plans and leases.
func loadTerms(ctx context.Context, book *tenancy.Book, store ledger.TermsStore, n *catalogue.Network) error {
	plans, err := ledger.TermsOf[tenancy.PlanID, tenancy.Plan](ctx, store, string(KindPlan))
	if err != nil {
		return err
	}
	for id, t := range plans {
		book.SetPlanTerms(id, t)
	}
	leases, err := ledger.LeaseTermsOf(ctx, store, n)
	if err != nil {
		return err
	}
	for id, t := range leases {
		book.SetLeaseTerms(id, t)
	}
	for id := range forgotten(leases) { // their hours still have to be billed, and nobody has that name
		book.ForgetMember(id)
	}
	return nil
}

// forgotten returns the names that mean nobody, under which leases name erased
// people.
func forgotten(leases map[tenancy.LeaseID]tenancy.Terms[tenancy.Lease]) map[tenancy.MemberID]bool {
	names := map[tenancy.MemberID]bool{}
	for _, t := range leases {
		for _, c := range t.Changes() {
			if c.Value == nil {
				continue
			}
			for _, m := range c.Value.Members {
				if ledger.Nameless(m) {
					names[m] = true
				}
			}
		}
	}
	return names
}

func loadOne(book *tenancy.Book, kind Kind, r ledger.Record, n *catalogue.Network) error {
	// Records name spaces as they were called then.
	named := func(list []catalogue.SpaceID) []catalogue.SpaceID {
		for i := range list {
			list[i] = n.PresentName(list[i])
		}
		return list
	}
	switch kind {
	case KindTenant:
		return put(r, book.PutTenant)
	case KindMember:
		return put(r, book.PutMember)
	case KindCredential:
		return put(r, func(c credentialRecord) error {
			return book.PutCredential(
				tenancy.Credential{ID: tenancy.CredentialID(r.ID), Member: c.Member, Kind: c.Kind, Status: c.Status,
					ValidFrom: c.ValidFrom, ValidTo: c.ValidTo, Lookup: hash(c.Lookup), ForList: hash(c.ForList), Since: c.Since},
			)
		})
	case kindFormer:
		return put(r, func(f formerRecord) error {
			book.AddFormer(tenancy.Former{Lookup: hash(f.Lookup), Member: f.Member, Until: f.Until})
			return nil
		})
	case KindSchedule:
		return put(r, book.PutSchedule)
	case KindPlan:
		return put(r, book.PutPlan)
	case KindLease:
		return put(r, func(l tenancy.Lease) error {
			l.Spaces = named(l.Spaces)
			return book.PutLease(l)
		})
	case KindPass:
		return put(r, func(p passRecord) error {
			return book.PutPass(tenancy.Pass{ID: tenancy.PassID(r.ID), Host: p.Host, Name: p.Name, Spaces: named(p.Spaces),
				ValidFrom: p.ValidFrom, ValidTo: p.ValidTo, Deleted: p.Deleted, Lookup: hash(p.Lookup), ForList: hash(p.ForList),
				Claims: p.Claims})
		})
	default:
		return put(r, func(e tenancy.Event) error {
			e.Spaces = named(e.Spaces)
			return book.PutEvent(e)
		})
	}
}

func put[T any](r ledger.Record, put func(T) error) error {
	var v T
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return err
	}
	return put(v)
}

func hash(b []byte) (h tenancy.CredentialHash) {
	copy(h[:], b)
	return h
}
