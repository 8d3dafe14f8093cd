package rights

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// Kind names a kind of entity, as the ledger and the audit chain do.
type Kind string

// The kinds, in the order in which they may refer to each other.
const (
	KindTenant     Kind = "tenant"
	KindMember     Kind = "member"
	KindCredential Kind = "credential"
	KindSchedule   Kind = "schedule"
	KindPlan       Kind = "plan"
	KindLease      Kind = "lease"
	KindPass       Kind = "pass"
	KindEvent      Kind = "event"
)

// Kinds lists the kinds so that each refers only to earlier ones.
func Kinds() []Kind {
	return []Kind{KindTenant, KindMember, KindCredential, KindSchedule, KindPlan, KindLease, KindPass, KindEvent}
}

// credentialRecord is a credential as the ledger stores it: hashes, never the
// UID.
type credentialRecord struct {
	Member    tenancy.MemberID       `json:"member"`
	Kind      tenancy.CredentialKind `json:"kind"`
	Status    tenancy.Status         `json:"status"`
	ValidFrom *time.Time             `json:"valid_from"`
	ValidTo   *time.Time             `json:"valid_to"`
	Lookup    []byte                 `json:"lookup,omitempty"`
	ForList   []byte                 `json:"for_list,omitempty"`
	Since     *time.Time             `json:"since,omitempty"`
	Seal      string                 `json:"seal,omitempty"` // in acts only: the seal of the hashes
}

// kindFormer is the kind of badges' former holders. They are not entities:
// nobody puts or deletes them.
const kindFormer Kind = "former"

// formerRecord is a former holder as the ledger stores it.
type formerRecord struct {
	Lookup []byte           `json:"lookup"`
	Member tenancy.MemberID `json:"member,omitempty"`
	Until  time.Time        `json:"until"`
}

func recordOf(f tenancy.Former) (ledger.Record, error) {
	body, err := json.Marshal(formerRecord{f.Lookup[:], f.Member, f.Until})
	return ledger.Record{
		Kind: string(kindFormer),
		ID:   fmt.Sprintf("%x-%d", f.Lookup, f.Until.UnixMilli()),
		Body: body,
	}, err
}

// passRecord is a pass as the ledger stores it: hashes, never the token.
type passRecord struct {
	Host      tenancy.MemberID    `json:"host"`
	Name      string              `json:"name"`
	Spaces    []catalogue.SpaceID `json:"spaces"`
	ValidFrom time.Time           `json:"valid_from"`
	ValidTo   time.Time           `json:"valid_to"`
	Deleted   bool                `json:"deleted,omitempty"`
	Lookup    []byte              `json:"lookup,omitempty"`
	ForList   []byte              `json:"for_list,omitempty"`
	Claims    []byte              `json:"claims,omitempty"`
	Seal      string              `json:"seal,omitempty"` // in acts only: the seal of the hashes
}

// edit is a change that was applied to the book and is to be committed.
type edit struct {
	key    Key
	action string
	body   any             // nil: the record is deleted
	audit  any             // what the audit chain commits to: without hashes
	also   []ledger.Record // other records that the change alters: passes that outlive their host
	terms  *termsEdit      // versions of what has versions; nil: no version changes
}

// moment is when, and by whom, a change is made.
type moment struct {
	now   time.Time
	day   catalogue.Day // local day
	actor string
}

func makeEdit(book *tenancy.Book, c Change, m moment) (edit, error) {
	now := m.now
	switch {
	case c.Delete != nil:
		return makeDelete(book, *c.Delete, m)
	case c.TakeBack != nil:
		return makeTakeBack(book, *c.TakeBack, m)
	}
	e := edit{action: "put", body: c.Put, audit: c.Put}
	var err error
	switch v := c.Put.(type) {
	case tenancy.Tenant:
		e.key, err = Key{KindTenant, string(v.ID)}, book.PutTenant(v)
		e.terms = &termsEdit{add: true, from: m.day}
	case tenancy.Member:
		e.key, err = Key{KindMember, string(v.ID)}, book.PutMember(v)
	case tenancy.Credential:
		return putCredential(book, v, now)
	case tenancy.Schedule:
		e.key, err = Key{KindSchedule, string(v.ID)}, book.PutSchedule(v)
	case tenancy.Plan:
		return putPlan(book, v, c.when(m))
	case tenancy.Lease:
		if v.Spaces == nil { // stored as it is shown: a list, if empty
			v.Spaces = []catalogue.SpaceID{}
		}
		return putLease(book, v, c.when(m))
	case tenancy.Pass:
		e.key, err = Key{KindPass, string(v.ID)}, book.PutPass(v)
		e.body, e.audit = passBodies(v)
	case tenancy.Event:
		e.key, err = Key{KindEvent, string(v.ID)}, book.PutEvent(v)
	default:
		err = fmt.Errorf("rights: cannot put a %T", v)
	}
	return e, err
}

// putCredential puts a credential. If another person had its badge before, it also notes since
// when the badge belongs to the new holder. If the credential gets another badge, it notes until
// when the former badge belonged to the holder.
func putCredential(book *tenancy.Book, v tenancy.Credential, now time.Time) (edit, error) {
	e := edit{action: "put", key: Key{KindCredential, string(v.ID)}}
	old, there := book.Credential(v.ID)
	v.Since = old.Since
	if !there || old.Lookup != v.Lookup {
		v.Since = nil
		if len(book.FormersOf(v.Lookup)) > 0 {
			v.Since = &now
		}
	}
	if err := book.PutCredential(v); err != nil {
		return e, err
	}
	if there && old.Lookup != v.Lookup {
		if err := e.retire(book, old, now); err != nil {
			return e, err
		}
	}
	r := credentialRecord{
		Member:    v.Member,
		Kind:      v.Kind,
		Status:    v.Status,
		ValidFrom: v.ValidFrom,
		ValidTo:   v.ValidTo,
		Lookup:    v.Lookup[:],
		ForList:   v.ForList[:],
		Since:     v.Since,
	}
	e.body = r
	r.Lookup, r.ForList, r.Seal = nil, nil, ledger.Seal(v.Lookup[:], v.ForList[:])
	e.audit = r
	return e, nil
}

// retire records that a credential's badge belonged to its member until now.
func (e *edit) retire(book *tenancy.Book, c tenancy.Credential, now time.Time) error {
	f := tenancy.Former{Lookup: c.Lookup, Member: c.Member, Until: now.UTC().Truncate(time.Millisecond)}
	book.AddFormer(f)
	r, err := recordOf(f)
	e.also = append(e.also, r)
	return err
}

func passBodies(v tenancy.Pass) (body, audit any) {
	r := passRecord{
		Host:      v.Host,
		Name:      v.Name,
		Spaces:    v.Spaces,
		ValidFrom: v.ValidFrom,
		ValidTo:   v.ValidTo,
		Deleted:   v.Deleted,
		Lookup:    v.Lookup[:],
		ForList:   v.ForList[:],
		Claims:    v.Claims,
	}
	bare := r
	bare.Lookup, bare.ForList, bare.Seal = nil, nil, ledger.Seal(v.Lookup[:], v.ForList[:])
	return r, bare
}

func makeDelete(book *tenancy.Book, k Key, m moment) (edit, error) {
	e, now := edit{key: k, action: "delete", audit: struct{}{}}, m.now
	switch k.Kind {
	case KindTenant:
		e.terms = &termsEdit{add: true, from: m.day}
		return e, book.DeleteTenant(tenancy.TenantID(k.ID))
	case KindMember:
		return deleteMember(book, e)
	case KindCredential:
		old, _ := book.Credential(tenancy.CredentialID(k.ID))
		if err := book.DeleteCredential(tenancy.CredentialID(k.ID)); err != nil {
			return e, err
		}
		return e, e.retire(book, old, now)
	case KindSchedule:
		return e, book.DeleteSchedule(tenancy.ScheduleID(k.ID))
	case KindPlan:
		id := tenancy.PlanID(k.ID)
		e.terms = standing(book.PlanTerms(id))
		return e, book.DeletePlan(id, now)
	case KindLease:
		id := tenancy.LeaseID(k.ID)
		e.terms = standing(book.LeaseTerms(id))
		return e, book.DeleteLease(id, now)
	case KindEvent:
		return e, book.DeleteEvent(tenancy.EventID(k.ID))
	case KindPass: // kept, so that its token answers credential-revoked
		if err := book.DeletePass(tenancy.PassID(k.ID)); err != nil {
			return e, err
		}
		p, _ := book.Pass(tenancy.PassID(k.ID))
		e.body, _ = passBodies(p)
		return e, nil
	}
	return e, fmt.Errorf("rights: cannot delete a %q", k.Kind)
}

// deleteMember also removes the host and the visitor's name from the deleted
// passes that stay to answer credential-revoked.
func deleteMember(book *tenancy.Book, e edit) (edit, error) {
	id := tenancy.MemberID(e.key.ID)
	var passes []tenancy.PassID
	for p := range book.Passes() {
		if p.Host == id {
			passes = append(passes, p.ID)
		}
	}
	if err := book.DeleteMember(id); err != nil {
		return e, err
	}
	for _, pass := range passes {
		p, _ := book.Pass(pass)
		body, _ := passBodies(p)
		data, err := json.Marshal(body)
		if err != nil {
			return e, err
		}
		e.also = append(e.also, ledger.Record{Kind: string(KindPass), ID: string(pass), Body: data})
	}
	return e, nil
}

// putOthers writes the other records that the change alters.
func (e edit) putOthers(tx *ledger.Tx) error {
	for _, r := range e.also {
		if err := tx.PutRecord(r); err != nil {
			return err
		}
	}
	return nil
}

func (e edit) commit(tx *ledger.Tx, m moment) error {
	audit, err := json.Marshal(e.audit)
	if err != nil {
		return err
	}
	if err := e.putOthers(tx); err != nil {
		return err
	}
	var body []byte
	if e.body == nil {
		err = tx.DeleteRecord(string(e.key.Kind), e.key.ID)
	} else {
		if body, err = json.Marshal(e.body); err == nil {
			err = tx.PutRecord(ledger.Record{Kind: string(e.key.Kind), ID: e.key.ID, Body: body})
		}
	}
	if err != nil {
		return err
	}
	target := string(e.key.Kind) + "/" + e.key.ID
	act := ingest.Act{At: m.now, Actor: m.actor, Action: e.action, Target: target, Body: audit}
	if err := tx.AddAct(&act); err != nil || e.terms == nil {
		return err
	}
	return e.terms.commit(tx, e.key, m, body, act.Seq)
}
