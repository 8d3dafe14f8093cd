package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// why is a decision with the rule that made it and each right that was tried.
type why struct {
	Granted bool              `json:"granted"`
	Reason  access.Reason     `json:"reason"`
	Rule    access.Rule       `json:"rule" enum:"exit,reader,clock,credential,lockdown,right,anti-passback,no-right" doc:"Which rule decided."`
	Lease   *tenancy.LeaseID  `json:"lease" doc:"The lease that grants, or that explains the refusal."`
	Member  *tenancy.MemberID `json:"member"`
	Pass    *tenancy.PassID   `json:"pass"`
	Tried   []tried           `json:"tried" nullable:"false" doc:"Each right that the holder of the badge had."`
	Kept    bool              `json:"kept" doc:"False: the person was erased since, and what was tried is no longer kept."`
	Read    *read             `json:"read" doc:"The read, where one was asked about."`
}

type tried struct {
	Right  access.Reason      `json:"right" enum:"staff,lease,pass,event"`
	Lease  *tenancy.LeaseID   `json:"lease"`
	ID     *string            `json:"id" doc:"The id of a pass or an event."`
	Space  *catalogue.SpaceID `json:"space" doc:"The space by which it opens the door; null: it does not reach the door."`
	From   *catalogue.Instant `json:"from" doc:"Null: without bound."`
	To     *catalogue.Instant `json:"to" doc:"Excluded; null: without bound."`
	Failed *access.Reason     `json:"failed" doc:"Why it does not open the door at that instant; null: it does."`
}

func showTried(list []access.Tried) []tried {
	out := make([]tried, len(list))
	for i, t := range list {
		out[i] = tried{Right: t.Right, Lease: orNil(t.Lease), ID: orNil(t.ID), Space: orNil(t.Space), Failed: orNil(t.Failed)}
		if !t.From.IsZero() {
			out[i].From = instantOrNil(&t.From)
		}
		if !t.To.IsZero() {
			out[i].To = instantOrNil(&t.To)
		}
	}
	return out
}

// ReadPath is the path of one read.
type ReadPath struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}

// reasons registers the endpoints that explain decisions.
func (s *server) reasons() {
	huma.Register(s.api,
		operation(
			"POST",
			"/v1/access/explain",
			tagAccess,
			"Ask what would be decided, by which rule, and each right that is tried; nothing is recorded.",
			Admin,
			Manager,
		),
		s.explainCheck,
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/access/reads/{id}/explain",
			tagAccess,
			"Explain why a read was decided as it was, by the rights of that time.",
			Admin,
			Manager,
		),
		s.explainRead,
	)
}

func (s *server) explainCheck(ctx context.Context, in *checkIn) (*one[why], error) {
	q, err := s.question(ctx, in)
	if err != nil {
		return nil, err
	}
	f := s.cfg.Rights.InForce()
	index := f.IndexAt(q.At)
	a := index.Decide(q, s.cfg.Whereabouts(ctx))
	out := why{
		Granted: a.Granted,
		Reason:  a.Reason,
		Rule:    access.RuleOf(a.Reason),
		Lease:   orNil(a.Lease),
		Member:  orNil(a.Subject.Member),
		Pass:    orNil(a.Subject.Pass),
		Tried:   showTried(index.Explain(f.Book, q)),
		Kept:    true,
	}
	return &one[why]{out}, nil
}

func (s *server) explainRead(ctx context.Context, in *ReadPath) (*one[why], error) {
	r, err := s.cfg.Ledger.ReadByID(ctx, in.ID)
	if err != nil {
		return nil, s.fail(err)
	}
	door := s.ever.Door(r.Door)
	if c := callerOf(ctx); c.bound() && (door == nil || !c.reaches(door.Site)) {
		return nil, notFound("read " + in.ID.String())
	}
	if err := s.look(ctx, r.Subject.Member, 1, "explain", ""); err != nil {
		return nil, s.fail(err)
	}
	then, err := s.cfg.Rights.AsOf(ctx, s.cfg.Ledger, r.Seq, r.At)
	if err != nil {
		return nil, s.fail(err)
	}
	shown := showRead(r)
	out := why{
		Granted: r.Granted,
		Reason:  r.Reason,
		Rule:    access.RuleOf(r.Reason),
		Lease:   orNil(r.Lease),
		Member:  orNil(r.Subject.Member),
		Pass:    orNil(r.Subject.Pass),
		Tried:   []tried{},
		Kept:    s.kept(r, then),
		Read:    &shown,
	}
	if out.Kept {
		q := access.Question{
			Credential: then.Badge(s.credentialOf(r), r.Subject),
			Door:       r.Door,
			Direction:  r.Direction,
			At:         r.At,
		}
		out.Tried = showTried(then.Index.Explain(then.Book, q))
	}
	return &one[why]{out}, nil
}

// credentialOf returns the credential with which a read was badged, as far as
// it is still known.
func (s *server) credentialOf(r *ingest.Read) tenancy.CredentialID {
	for c := range s.cfg.Rights.InForce().Book.CredentialsUnordered() {
		if c.Lookup == r.Credential {
			return c.ID
		}
	}
	return ""
}

// kept reports whether the member or pass that a read belongs to is still
// known, so that the read can be explained.
func (s *server) kept(r *ingest.Read, then *rights.Then) bool {
	if m := r.Subject.Member; m != "" {
		_, ok := then.Book.Member(m)
		return ok
	}
	if p := r.Subject.Pass; p != "" {
		_, ok := then.Book.Pass(p)
		return ok
	}
	// The read has no holder: either its credential was unknown then, or the holder was erased since.
	return access.RuleOf(r.Reason) == access.RuleCredential || r.Reason == access.DeviceDisabled ||
		r.Direction == catalogue.Out && !then.Forgotten
}

// badgeAsked returns the credential of a question: as read by a reader, or by
// its id.
func (s *server) badgeAsked(ctx context.Context, in *checkIn) (h tenancy.CredentialHash, err error) {
	b := &in.Body
	switch {
	case b.Credential != "" && b.CredentialID != "":
		return h, invalid("body", "credential_id", "is given together with credential: give only one of them")
	case b.CredentialID != "":
		book := s.cfg.Rights.InForce().Book
		c, ok := book.Credential(b.CredentialID)
		if !ok || !s.mayPerson(callerOf(ctx), book, c.Member) {
			return h, invalid("body", "credential_id", "there is no such credential")
		}
		return c.Lookup, nil
	case b.Credential == "":
		return h, invalid("body", "credential", "is missing")
	}
	c, err := wire.ParseCredential(b.Credential)
	if err != nil {
		return h, invalid("body", "credential", err.Error())
	}
	return wire.HashCredential(s.cfg.Keys.Lookup(), c), nil
}

// question parses what a check asks.
func (s *server) question(ctx context.Context, in *checkIn) (q access.Question, err error) {
	hash, err := s.badgeAsked(ctx, in)
	if err != nil {
		return q, err
	}
	at := s.cfg.Now()
	if in.Body.At != nil {
		at = milli(*in.Body.At)
	}
	door := catalogue.At(s.cfg.Series.History, at).Door(in.Body.Door)
	if door == nil {
		return q, invalid("body", "door", "the catalogue has no such door")
	}
	if !callerOf(ctx).reaches(door.Site) {
		return q, forbidden("door " + string(door.ID))
	}
	return access.Question{
		Credential: hash,
		Door:       door.ID,
		Direction:  in.Body.Direction,
		At:         at,
		Disabled:   s.disabled(door.ID, in.Body.Direction),
	}, nil
}
