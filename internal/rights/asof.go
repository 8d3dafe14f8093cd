package rights

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// History is what this package needs of the ledger's past.
type History interface {
	// LastActs calls yield with the last act on each thing before an entry of the
	// chain, and with an act without target and body where any was erased.
	LastActs(ctx context.Context, before int64, yield func(ingest.Act) error) error
	Lockdowns(ctx context.Context, since time.Time) ([]tenancy.Lockdown, error)
	ledger.TermsStore
}

// Then holds the rights as they were before an entry of the audit chain. Acts
// contain no UIDs, so credentials and passes have made-up hashes: HashOf.
type Then struct {
	InForce
	// Forgotten reports whether acts from before that entry have been erased since, so
	// that some person's rights may be missing.
	Forgotten bool
}

// HashOf returns the hash of a credential or a pass in [Then].
func HashOf(kind Kind, id string) tenancy.CredentialHash {
	return sha256.Sum256([]byte(string(kind) + "/" + id))
}

// AsOf computes the rights as they were before an entry of the chain, at an
// instant. It leaves out what no longer fits the catalogue.
func (k *Keeper) AsOf(ctx context.Context, h History, before int64, at time.Time) (*Then, error) {
	byKind := map[Kind][]ledger.Record{}
	then := &Then{}
	err := h.LastActs(ctx, before, func(a ingest.Act) error {
		kind, id, _ := strings.Cut(a.Target, "/")
		switch {
		case a.Body == nil:
			then.Forgotten = true
		case a.Action == "delete" && Kind(kind) != KindPass:
		default:
			body, err := withHash(Kind(kind), id, a)
			if err != nil {
				return err
			}
			byKind[Kind(kind)] = append(byKind[Kind(kind)], ledger.Record{Kind: kind, ID: id, Body: body})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := catalogue.At(k.history, at)
	book := tenancy.NewBook(n)
	book.SetToday(k.day(at))
	book.SetLoading(true)
	for _, kind := range Kinds() {
		for _, r := range byKind[kind] {
			_ = loadOne(book, kind, r, n) // of another catalogue, or of somebody who was erased
		}
	}
	if err := termsThen(ctx, book, h, before, n); err != nil {
		return nil, err
	}
	book.SetLoading(false)
	lockdowns, err := h.Lockdowns(ctx, at.Add(-lockdownMemory))
	if err != nil {
		return nil, err
	}
	var of []tenancy.Lockdown
	for _, l := range lockdowns {
		if !l.From.After(at) && (l.To == nil || l.To.After(at)) {
			of = append(of, tenancy.Lockdown{Site: l.Site, From: l.From})
		}
	}
	then.InForce = InForce{Book: book, Lockdowns: of, Index: k.compilerOf(n).Compile(book, of), Since: at}
	return then, nil
}

// termsThen adds the versions of plans and leases that were recorded by then.
// What was recorded before entries were noted stays as its last act says.
func termsThen(ctx context.Context, book *tenancy.Book, h History, before int64, n *catalogue.Network) error {
	known := func(_ time.Time, entry int64) bool { return entry < before }
	noted := func(entry int64) bool { return entry != 0 }
	plans, err := ledger.TermsOf[tenancy.PlanID, tenancy.Plan](ctx, h, string(KindPlan))
	if err != nil {
		return err
	}
	for id, t := range plans {
		if t = t.AsKnown(known); noted(t.LastEntry()) {
			book.SetPlanTerms(id, t)
		}
	}
	leases, err := ledger.LeaseTermsOf(ctx, h, n)
	if err != nil {
		return err
	}
	for id, t := range leases {
		if t = t.AsKnown(known); noted(t.LastEntry()) {
			book.SetLeaseTerms(id, t)
		}
	}
	return nil
}

// withHash returns an act's body as a record: a credential or a pass gets a
// hash.
func withHash(kind Kind, id string, a ingest.Act) ([]byte, error) {
	if kind != KindCredential && kind != KindPass {
		return a.Body, nil
	}
	h := HashOf(kind, id)
	if kind == KindCredential {
		var c credentialRecord
		if err := json.Unmarshal(a.Body, &c); err != nil {
			return nil, err
		}
		c.Lookup, c.ForList = h[:], h[:]
		return json.Marshal(c)
	}
	var p passRecord
	if err := json.Unmarshal(a.Body, &p); err != nil {
		return nil, err
	}
	p.Lookup, p.ForList = h[:], h[:]
	return json.Marshal(p)
}

// Badge returns the hash under which [Then] knows a badge: that of the given credential, if it
// existed then and no other member held it; otherwise that of the pass, or of any credential, of who.
func (t *Then) Badge(credential tenancy.CredentialID, who visit.Subject) tenancy.CredentialHash {
	if c, ok := t.Book.Credential(credential); ok && (who.Member == "" || c.Member == who.Member) {
		return HashOf(KindCredential, string(credential))
	}
	if who.Pass != "" {
		return HashOf(KindPass, string(who.Pass))
	}
	for c := range t.Book.Credentials() {
		if who.Member != "" && c.Member == who.Member {
			return HashOf(KindCredential, string(c.ID))
		}
	}
	return tenancy.CredentialHash{}
}
