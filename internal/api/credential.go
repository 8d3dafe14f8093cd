package api

import (
	"iter"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Credential is a credential as the API writes it; uid is never read back.
type Credential struct {
	ID        tenancy.CredentialID   `json:"id"`
	Member    tenancy.MemberID       `json:"member" required:"true"`
	Kind      tenancy.CredentialKind `json:"kind" enum:"card,mobile,qr" required:"true"`
	UID       string                 `json:"uid,omitempty" writeOnly:"true" doc:"As in a badge message: hex, dec: and a number, or qr: and a token. Required when the credential is created."`
	Enrolment string                 `json:"enrolment,omitempty" writeOnly:"true" doc:"The id of an enrolment at a reader, in place of uid."`
	Status    tenancy.Status         `json:"status" enum:"active,lost,revoked" required:"true"`
	ValidFrom *catalogue.Instant     `json:"valid_from" format:"date-time"`
	ValidTo   *catalogue.Instant     `json:"valid_to" format:"date-time"`
}

func (s *server) changeCredential(caller *caller, b *tenancy.Book, v Credential) (rights.Change, Credential, error) {
	c := tenancy.Credential{
		ID:        v.ID,
		Member:    v.Member,
		Kind:      v.Kind,
		Status:    v.Status,
		ValidFrom: milliOrNil(v.ValidFrom),
		ValidTo:   milliOrNil(v.ValidTo),
	}
	old, there := b.Credential(v.ID)
	if there {
		c.Lookup, c.ForList = old.Lookup, old.ForList
	} else if caller.role == Tenant {
		n := 0
		for o := range b.CredentialsUnordered() {
			if m, _ := b.Member(o.Member); m.Tenant == caller.tenant {
				n++
			}
		}
		if err := s.cfg.Most.check("credentials", n, s.cfg.Most.Credentials); err != nil {
			return rights.Change{}, v, err
		}
	}
	if v.UID != "" {
		parsed, err := wire.ParseCredential(v.UID)
		if err != nil {
			return rights.Change{}, v, invalid("body", "uid", err.Error())
		}
		if err := parsed.CheckEntry(); err != nil {
			return rights.Change{}, v, invalid("body", "uid", err.Error())
		}
		c.Lookup, c.ForList = wire.HashCredential(s.cfg.Keys.Lookup(), parsed), wire.HashCredential(s.cfg.Keys.List(), parsed)
	}
	if v.Enrolment != "" {
		if err := s.enrolled(&v, &c); err != nil {
			return rights.Change{}, v, err
		}
	}
	v.UID, v.Enrolment = "", ""
	return rights.Change{Put: c}, v, nil
}

// credentials registers the endpoints of credentials.
func (s *server) credentials() {
	register(s, resource[Credential]{
		path: "/v1/credentials", noun: "credential", kind: rights.KindCredential,
		read:  peopleRoles(),
		write: peopleRoles(),
		id:    func(v *Credential) *string { return (*string)(&v.ID) },
		all:   func(b *tenancy.Book) iter.Seq[Credential] { return convert(b.Credentials(), showCredential) },
		find: func(b *tenancy.Book, id string) (Credential, bool) {
			v, ok := b.Credential(tenancy.CredentialID(id))
			return showCredential(v), ok
		},
		may:    func(c *caller, b *tenancy.Book, v Credential) bool { return s.mayPerson(c, b, v.Member) },
		change: s.changeCredential,
	})
}
