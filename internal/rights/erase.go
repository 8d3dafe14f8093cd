package rights

import (
	"context"
	"slices"

	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// Erase erases a person (rules 12.4): their credentials and passes end, leases
// and events no longer name them, their record is deleted, and the ledger
// erases them from reads. Hours that bills still need stay, without a name.
func (k *Keeper) Erase(ctx context.Context, actor string, id tenancy.MemberID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.erasing != nil {
		if err := k.erasing(id); err != nil {
			return err
		}
	}
	m := k.moment(actor)
	now := m.now
	book := k.InForce().Book.Clone()
	book.SetToday(m.day)
	changes, targets := removals(book, id)
	edits, named := make([]edit, 0, len(changes)), namedIn(book, id)
	book.ForgetMember(id) // the ledger does the same in every version of leases
	for _, l := range named {
		targets = append(targets, string(KindLease)+"/"+string(l))
		if last := book.LeaseTerms(l).Last(); last != nil {
			edits = append(edits, edit{key: Key{KindLease, string(l)}, action: "put", body: *last, audit: *last})
		}
	}
	for _, c := range changes {
		e, err := makeEdit(book, c, m)
		if err != nil {
			return err
		}
		edits = append(edits, e)
	}
	var badges []ledger.Record // badges that the person held: what is left of them
	for _, f := range book.ForgetFormer(id) {
		r, err := recordOf(f)
		if err != nil {
			return err
		}
		badges = append(badges, r)
	}
	return k.put(ctx, k.compile(book, k.InForce().Lockdowns), func(tx *ledger.Tx) error {
		if err := tx.Erase(
			ledger.Erasure{Actor: actor, At: now, Member: id, Targets: targets, Keep: k.billable},
		); err != nil {
			return err
		}
		for _, e := range edits {
			if err := e.forget(tx, m); err != nil {
				return err
			}
		}
		for _, r := range badges {
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget commits a change that an erasure needs. No act records a deletion, since
// that act would mention the person again.
func (e edit) forget(tx *ledger.Tx, m moment) error {
	switch {
	case e.action != "delete": // a lease or an event, which no longer names the person: its act names nobody
		return e.commit(tx, m)
	case e.body == nil:
		if err := tx.DeleteRecord(string(e.key.Kind), e.key.ID); err != nil {
			return err
		}
	}
	return e.putOthers(tx)
}

// namedIn returns the leases of which some version names a person.
func namedIn(book *tenancy.Book, id tenancy.MemberID) (list []tenancy.LeaseID) {
	for l, t := range book.AllLeaseTerms() {
		if slices.ContainsFunc(t.Changes(), func(c tenancy.Change[tenancy.Lease]) bool {
			return c.Value != nil && slices.Contains(c.Value.Members, id)
		}) {
			list = append(list, l)
		}
	}
	return list
}

// removals returns the changes that remove a person from a book, and the records
// whose acts mention them.
func removals(book *tenancy.Book, id tenancy.MemberID) (changes []Change, targets []string) {
	drop := func(kind Kind, name string) {
		changes = append(changes, Change{Delete: &Key{kind, name}})
		targets = append(targets, string(kind)+"/"+name)
	}
	for c := range book.Credentials() {
		if c.Member == id {
			drop(KindCredential, string(c.ID))
		}
	}
	for p := range book.Passes() {
		if p.Host == id && !p.Deleted {
			drop(KindPass, string(p.ID))
		} else if p.Host == id {
			targets = append(targets, string(KindPass)+"/"+string(p.ID))
		}
	}
	for e := range book.Events() {
		if slices.Contains(e.Invited, id) {
			e.Invited = slices.DeleteFunc(slices.Clone(e.Invited), func(m tenancy.MemberID) bool { return m == id })
			changes = append(changes, Change{Put: e})
			targets = append(targets, string(KindEvent)+"/"+string(e.ID))
		}
	}
	if _, there := book.Member(id); there {
		drop(KindMember, string(id))
	} else { // deleted before; acts on it still mention the person
		targets = append(targets, string(KindMember)+"/"+string(id))
	}
	return changes, targets
}
