package sheets

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/wire"
)

// column is one column of a kind of sheet: how it is called, how it is written
// and how it is read. An empty cell is the field's default; a column that a
// file does not have leaves what is there as it is.
type column[T any] struct {
	name string
	also string // other names, without accents, case and punctuation, with spaces between
	get  func(*T) string
	set  func(*reader, *T, string) error
}

// kind is one kind of sheet.
type kind[T any] struct {
	name    string // of its file, and of the kind
	rights  rights.Kind
	columns []column[T]
	all     func(*lease.Book) iter.Seq[T]
	find    func(*lease.Book, string) (T, bool)
	fresh   func(id string) T // with the defaults of one that is new
	// identify finds a row's id where it has none in a column id, and what must be put before it.
	identify func(*reader, cells) (id string, before []any, err error)
	needs    []string // columns without which a new one cannot be
}

// cells are a row's texts by column name; columns that the file lacks are missing.
type cells map[string]string

// text is a column of plain text.
func text[T any](name, also string, field func(*T) *string) column[T] {
	return column[T]{name, also, func(v *T) string { return textCell(*field(v)) }, func(_ *reader, v *T, s string) error { *field(v) = s; return nil }}
}

// word is a column of one of some words; empty is the first.
func word[T any, S ~string](name, also string, words map[string]string, otherwise string, field func(*T) *S) column[T] {
	return column[T]{name, also, func(v *T) string { return string(*field(v)) }, func(_ *reader, v *T, s string) error {
		if s == "" {
			s = otherwise
		}
		*field(v) = S(oneWord(s, words))
		return nil
	}}
}

// whole is a column of whole numbers, which people may write in a larger unit:
// "hourly_rate_cents" also as euros in "hourly_rate".
func whole[T any](name, also string, times int64, field func(*T) *int, units ...string) column[T] {
	c := column[T]{name: name, also: also, set: func(_ *reader, v *T, s string) (err error) {
		if *field(v) = 0; s != "" {
			*field(v), err = parseWhole(s, times, units...)
		}
		return err
	}}
	if times == 1 {
		c.get = func(v *T) string { return strconv.Itoa(*field(v)) }
	}
	return c
}

// ids is a column of a list.
func ids[T any, S ~string](name, also string, field func(*T) *[]S) column[T] {
	return column[T]{name, also, func(v *T) string { return writeList(*field(v)) }, func(_ *reader, v *T, s string) error { *field(v) = parseList[S](s); return nil }}
}

// instant is a column of an instant that may be missing.
func instant[T any](name, also string, field func(*T) **time.Time) column[T] {
	return column[T]{name, also, func(v *T) string {
		if *field(v) == nil {
			return ""
		}
		return wire.FormatTime(**field(v))
	}, func(r *reader, v *T, s string) error {
		if *field(v) = nil; s == "" {
			return nil
		}
		t, err := parseInstant(s, r.network.Zone)
		*field(v) = &t
		return err
	}}
}

// moment is a column of an instant.
func moment[T any](name, also string, field func(*T) *time.Time) column[T] {
	c := instant(name, also, func(v *T) **time.Time { t := field(v); return &t })
	c.set = func(r *reader, v *T, s string) (err error) {
		*field(v), err = parseInstant(s, r.network.Zone)
		return err
	}
	return c
}

// refer is a column that names another record, by its id or by what people call it.
func refer[T any, S ~string](name, also string, field func(*T) *S, resolve func(*reader, string) string) column[T] {
	return column[T]{name, also, func(v *T) string { return string(*field(v)) }, func(r *reader, v *T, s string) error { *field(v) = S(resolve(r, s)); return nil }}
}

var (
	tenantKinds = map[string]string{"societe": "company", "entreprise": "company", "startup": "company", "asso": "association", "collectivite": "institution", "etablissement": "institution", "public": "institution"}
	statuses    = map[string]string{"actif": "active", "active": "active", "valide": "active", "perdu": "lost", "perdue": "lost", "vole": "lost", "revoque": "revoked", "revoquee": "revoked", "desactive": "revoked", "suspendu": "suspended", "suspendue": "suspended"}
	cardKinds   = map[string]string{"carte": "card", "badge": "card", "telephone": "mobile", "smartphone": "mobile"}
	audiences   = map[string]string{"publique": "public", "tous": "public", "invites": "invited", "surinvitation": "invited"}
	holidays    = map[string]string{"ouvert": "open", "ferme": "closed"}
)

func tenants() kind[lease.Tenant] {
	type T = lease.Tenant
	return kind[T]{name: "tenants", rights: rights.KindTenant, all: (*lease.Book).Tenants,
		find:  func(b *lease.Book, id string) (T, bool) { return b.Tenant(lease.TenantID(id)) },
		fresh: func(id string) T { return T{ID: lease.TenantID(id), Kind: "company"} },
		identify: func(r *reader, c cells) (string, []any, error) {
			if id := r.tenant(c["name"]); c["name"] != "" && id != c["name"] {
				return id, nil, nil
			}
			return named(slug(c["name"]), "name")
		},
		columns: []column[T]{
			{"id", "identifiant code", func(v *T) string { return string(v.ID) }, nil},
			text("name", "nom raisonsociale societe entreprise locataire", func(v *T) *string { return &v.Name }),
			refer("site", "ville lieu", func(v *T) *catalogue.SiteID { return &v.Site }, (*reader).site),
			word("kind", "type forme nature", tenantKinds, "company", func(v *T) *string { return &v.Kind }),
		}}
}

func members() kind[lease.Member] {
	type T = lease.Member
	return kind[T]{name: "members", rights: rights.KindMember, all: (*lease.Book).Members,
		find:     func(b *lease.Book, id string) (T, bool) { return b.Member(lease.MemberID(id)) },
		fresh:    func(id string) T { return T{ID: lease.MemberID(id)} },
		identify: func(r *reader, c cells) (string, []any, error) { return r.person(c) },
		columns: []column[T]{
			{"id", "identifiant code", func(v *T) string { return string(v.ID) }, nil},
			refer("tenant", "locataire societe entreprise structure", func(v *T) *lease.TenantID { return &v.Tenant }, (*reader).tenant),
			text("name", "nomcomplet nometprenom prenometnom membre", func(v *T) *string { return &v.Name }),
			{"firstname", "prenom", nil, func(r *reader, v *T, _ string) error { v.Name = r.row.fullName(); return nil }},
			{"lastname", "nom nomdefamille", nil, func(r *reader, v *T, _ string) error { v.Name = r.row.fullName(); return nil }},
			text("email", "courriel mail adressemail adresseelectronique", func(v *T) *string { return &v.Email }),
			ids("roles", "role", func(v *T) *[]string { return &v.Roles }),
			ids("staff_sites", "sitesdupersonnel", func(v *T) *[]catalogue.SiteID { return &v.StaffSites }),
		}}
}

func badges() kind[lease.Credential] {
	type T = lease.Credential
	uid := func(r *reader, v *T, s string, spell func(string) string) error {
		if s == "" {
			return nil // what is there stays
		}
		c, err := wire.ParseCredential(spell(s))
		if err != nil {
			return err
		}
		lookup := wire.HashCredential(r.keys.Lookup(), c)
		if r.read && v.Lookup != lookup {
			return errors.New("is another UID than the one beside it")
		}
		r.read = true
		v.Lookup, v.ForList = lookup, wire.HashCredential(r.keys.List(), c)
		return nil
	}
	hash := func(name string, field func(*T) *lease.Hash) column[T] {
		return column[T]{name, "", func(v *T) string { return writeHash(*field(v)) }, func(_ *reader, v *T, s string) (err error) {
			if s != "" {
				*field(v), err = parseHash(s)
			}
			return err
		}}
	}
	return kind[T]{name: "badges", rights: rights.KindCredential, all: (*lease.Book).Credentials,
		find:  func(b *lease.Book, id string) (T, bool) { return b.Credential(lease.CredentialID(id)) },
		fresh: func(id string) T { return T{ID: lease.CredentialID(id), Kind: "card", Status: lease.Active} },
		identify: func(r *reader, c cells) (string, []any, error) {
			return r.badge(c)
		},
		columns: []column[T]{
			{"id", "identifiant code", func(v *T) string { return string(v.ID) }, nil},
			{"member", "membre personne porteur titulaire", func(v *T) string { return string(v.Member) }, func(r *reader, v *T, s string) error {
				v.Member = lease.MemberID(r.member(s))
				return nil
			}},
			{"firstname", "prenom", nil, func(r *reader, v *T, _ string) error { v.Member = r.holder; return nil }},
			{"lastname", "nom nomdefamille", nil, func(r *reader, v *T, _ string) error { v.Member = r.holder; return nil }},
			{"tenant", "locataire societe entreprise structure", nil, func(*reader, *T, string) error { return nil }},
			word("kind", "type support", cardKinds, "card", func(v *T) *string { return &v.Kind }),
			{"uid", "badge badgeid badgenumber hex numero numerodebadge numbadge carte uidhex", nil, func(r *reader, v *T, s string) error {
				return uid(r, v, s, func(s string) string { return s })
			}},
			{"decimal", "decimalid dec uiddecimal", nil, func(r *reader, v *T, s string) error {
				return uid(r, v, s, func(s string) string { return "dec:" + strings.TrimLeft(strings.TrimSpace(s), "0") })
			}},
			word("status", "statut etat", statuses, string(lease.Active), func(v *T) *lease.Status { return &v.Status }),
			instant("valid_from", "validfrom date du debut remisle depuis", func(v *T) **time.Time { return &v.ValidFrom }),
			instant("valid_to", "validto au fin jusquau expire", func(v *T) **time.Time { return &v.ValidTo }),
			hash("uid_hash", func(v *T) *lease.Hash { return &v.Lookup }), hash("list_hash", func(v *T) *lease.Hash { return &v.ForList }), keyed[T](),
		}}
}

// keyed is the column that says under whose keys an export's hashes are.
func keyed[T any]() column[T] {
	return column[T]{name: "keys", set: func(r *reader, _ *T, s string) error {
		if s != "" && s != r.fingerprint() {
			return errors.New("these hashes are of another installation: bring its keys.json first, or give UIDs")
		}
		return nil
	}}
}

func schedules() kind[lease.Schedule] {
	type T = lease.Schedule
	return kind[T]{name: "schedules", rights: rights.KindSchedule,
		all: func(b *lease.Book) iter.Seq[T] {
			return func(yield func(T) bool) {
				for s := range b.Schedules() {
					if s.ID != lease.Always && !yield(s) {
						return
					}
				}
			}
		},
		find:     func(b *lease.Book, id string) (T, bool) { return b.Schedule(lease.ScheduleID(id)) },
		fresh:    func(id string) T { return T{ID: lease.ScheduleID(id), Holidays: "closed"} },
		identify: noID,
		columns: []column[T]{
			{"id", "identifiant code", func(v *T) string { return string(v.ID) }, nil},
			{"windows", "plages horaires", func(v *T) string { return writeWeek(v.Windows) }, func(_ *reader, v *T, s string) (err error) {
				v.Windows, err = parseWeek(s)
				return err
			}},
			word("holidays", "joursferies feries", holidays, "closed", func(v *T) *string { return &v.Holidays }),
		}}
}

func plans() kind[lease.Plan] {
	type T = lease.Plan
	return kind[T]{name: "plans", rights: rights.KindPlan, all: (*lease.Book).Plans,
		find:  func(b *lease.Book, id string) (T, bool) { return b.Plan(lease.PlanID(id)) },
		fresh: func(id string) T { return T{ID: lease.PlanID(id), Schedule: lease.Always} },
		identify: func(r *reader, c cells) (string, []any, error) {
			if id := r.plan(c["name"]); c["name"] != "" && id != c["name"] {
				return id, nil, nil
			}
			return named(slug(c["name"]), "name")
		},
		columns: []column[T]{
			{"id", "identifiant code", func(v *T) string { return string(v.ID) }, nil},
			text("name", "nom formule libelle", func(v *T) *string { return &v.Name }),
			ids("includes", "comprend inclus espaces", func(v *T) *[]catalogue.SpaceKind { return &v.Includes }),
			{"roaming", "itinerance toussites", func(v *T) string { return strconv.FormatBool(v.Roaming) }, func(_ *reader, v *T, s string) (err error) {
				if v.Roaming = false; s != "" {
					v.Roaming, err = parseBool(s)
				}
				return err
			}},
			{"schedule", "horaire horaires", func(v *T) string { return string(v.Schedule) }, func(_ *reader, v *T, s string) error {
				if v.Schedule = lease.ScheduleID(s); s == "" {
					v.Schedule = lease.Always
				}
				return nil
			}},
			whole("included_minutes", "minutesincluses", 1, func(v *T) *int { return &v.IncludedMinutes }),
			whole("included_hours", "heuresincluses forfaitheures", 60, func(v *T) *int { return &v.IncludedMinutes }, "h"),
			whole("hourly_rate_cents", "tarifhorairecentimes", 1, func(v *T) *int { return &v.HourlyRateCents }),
			whole("hourly_rate", "tarifhoraire prixhoraire tauxhoraire", 100, func(v *T) *int { return &v.HourlyRateCents }, "€/h", "€", "EUR"),
			whole("rounding_minutes", "arrondi arrondiminutes", 1, func(v *T) *int { return &v.RoundingMinutes }),
			whole("grace_minutes", "tolerance franchise", 1, func(v *T) *int { return &v.GraceMinutes }),
			whole("daily_cap_minutes", "plafondjour plafondjournalier", 1, func(v *T) *int { return &v.DailyCapMinutes }),
			whole("inferred_cap_minutes", "plafondestime", 1, func(v *T) *int { return &v.InferredCapMinutes }),
			{"vat_pct", "tva tauxtva vat", func(v *T) string { return strconv.FormatFloat(v.VatPct, 'f', -1, 64) }, func(_ *reader, v *T, s string) error {
				if v.VatPct = 0; s == "" {
					return nil
				}
				n, err := parseNumber(s, "%")
				if err == nil {
					v.VatPct, _ = n.Float64()
				}
				return err
			}},
		}}
}

func leases() kind[lease.Lease] {
	type T = lease.Lease
	return kind[T]{name: "leases", rights: rights.KindLease, needs: []string{"starts_on"}, all: (*lease.Book).Leases,
		find:  func(b *lease.Book, id string) (T, bool) { return b.Lease(lease.ID(id)) },
		fresh: func(id string) T { return T{ID: lease.ID(id), Status: lease.Active} },
		identify: func(r *reader, c cells) (string, []any, error) {
			tenant, plan := r.tenant(c["tenant"]), r.plan(c["plan"])
			if tenant == "" || plan == "" {
				return "", nil, rowFault{"id", "is missing: without it tenant and plan must be there"}
			}
			return named(slug(tenant+" "+plan), "plan")
		},
		columns: []column[T]{
			{"id", "identifiant code bail numero", func(v *T) string { return string(v.ID) }, nil},
			refer("tenant", "locataire societe entreprise", func(v *T) *lease.TenantID { return &v.Tenant }, (*reader).tenant),
			{"site", "ville lieu", func(v *T) string { return string(v.Site) }, func(r *reader, v *T, s string) error {
				if v.Site = catalogue.SiteID(r.site(s)); s == "" {
					t, _ := r.book.Tenant(v.Tenant)
					v.Site = t.Site
				}
				return nil
			}},
			ids("spaces", "espaces espace bureaux bureau locaux", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }),
			refer("plan", "formule", func(v *T) *lease.PlanID { return &v.Plan }, (*reader).plan),
			{"starts_on", "startson du debut datedebut datededebut", func(v *T) string { return v.StartsOn.String() }, func(_ *reader, v *T, s string) (err error) {
				v.StartsOn, err = parseDay(s)
				return err
			}},
			{"ends_on", "endson au fin datefin datedefin", func(v *T) string {
				if v.EndsOn == nil {
					return ""
				}
				return v.EndsOn.String()
			}, func(_ *reader, v *T, s string) error {
				if v.EndsOn = nil; s == "" {
					return nil
				}
				d, err := parseDay(s)
				v.EndsOn = &d
				return err
			}},
			word("status", "statut etat", statuses, string(lease.Active), func(v *T) *lease.Status { return &v.Status }),
			{"members", "membres personnes", func(v *T) string {
				if v.Members != nil && len(v.Members) == 0 {
					return none
				}
				return writeList(v.Members)
			}, func(_ *reader, v *T, s string) error {
				if v.Members = nil; s != "" {
					v.Members = parseList[lease.MemberID](s)
				}
				return nil
			}},
			whole("rent_cents_month", "loyercentimes", 1, func(v *T) *int { return &v.RentCentsMonth }),
			whole("rent", "loyer loyermensuel loyerht rentmonth", 100, func(v *T) *int { return &v.RentCentsMonth }, "€/mois", "€", "EUR"),
		}}
}

func passes() kind[lease.Pass] {
	type T = lease.Pass
	hash := func(name string, field func(*T) *lease.Hash) column[T] {
		return column[T]{name, "", func(v *T) string { return writeHash(*field(v)) }, func(_ *reader, v *T, s string) (err error) {
			*field(v), err = parseHash(s)
			return err
		}}
	}
	return kind[T]{name: "passes", rights: rights.KindPass, all: (*lease.Book).Passes,
		find:     func(b *lease.Book, id string) (T, bool) { return b.Pass(lease.PassID(id)) },
		fresh:    func(id string) T { return T{ID: lease.PassID(id)} },
		identify: noID,
		columns: []column[T]{
			{"id", "", func(v *T) string { return string(v.ID) }, nil},
			text("host", "hote", func(v *T) *string { return (*string)(&v.Host) }),
			text("name", "nom visiteur", func(v *T) *string { return &v.Name }),
			ids("spaces", "espaces", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }),
			moment("valid_from", "du debut", func(v *T) *time.Time { return &v.ValidFrom }),
			moment("valid_to", "au fin", func(v *T) *time.Time { return &v.ValidTo }),
			{"deleted", "", func(v *T) string { return strconv.FormatBool(v.Deleted) }, func(_ *reader, v *T, s string) (err error) {
				if v.Deleted = false; s != "" {
					v.Deleted, err = parseBool(s)
				}
				return err
			}},
			hash("token_hash", func(v *T) *lease.Hash { return &v.Lookup }), hash("list_hash", func(v *T) *lease.Hash { return &v.ForList }), keyed[T](),
		}}
}

func events() kind[lease.Event] {
	type T = lease.Event
	return kind[T]{name: "events", rights: rights.KindEvent, all: (*lease.Book).Events,
		find:     func(b *lease.Book, id string) (T, bool) { return b.Event(lease.EventID(id)) },
		fresh:    func(id string) T { return T{ID: lease.EventID(id)} },
		identify: func(_ *reader, c cells) (string, []any, error) { return named(slug(c["title"]), "title") },
		columns: []column[T]{
			{"id", "identifiant code", func(v *T) string { return string(v.ID) }, nil},
			text("title", "titre evenement intitule", func(v *T) *string { return &v.Title }),
			ids("spaces", "espaces espace salle salles", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }),
			moment("starts_at", "startsat debut du", func(v *T) *time.Time { return &v.StartsAt }),
			moment("ends_at", "endsat fin au", func(v *T) *time.Time { return &v.EndsAt }),
			word("audience", "public", audiences, "invited", func(v *T) *string { return &v.Audience }),
			ids("invited", "invites", func(v *T) *[]lease.MemberID { return &v.Invited }),
		}}
}

// rowFault is what is wrong with a row, at a column.
type rowFault struct{ column, message string }

func (f rowFault) Error() string { return f.column + " " + f.message }

func noID(*reader, cells) (string, []any, error) { return "", nil, rowFault{"id", "is missing"} }

func named(id, column string) (string, []any, error) {
	if id == "" {
		return "", nil, rowFault{column, "is missing: the id is made of it where there is none"}
	}
	return id, nil, nil
}

// fullName joins the names of a row.
func (c cells) fullName() string {
	if c["name"] != "" {
		return c["name"]
	}
	return strings.TrimSpace(c["firstname"] + " " + c["lastname"])
}

// tenant, site, member and plan find an id by what people write; what is not found stays as it is.

func (r *reader) tenant(s string) string {
	if s == "" {
		return string(r.Tenant)
	}
	if _, ok := r.book.Tenant(lease.TenantID(s)); ok {
		return s
	}
	return only(s, func(yield func(id string)) {
		for t := range r.book.Tenants() {
			if names(t.Name, s) {
				yield(string(t.ID))
			}
		}
	})
}

func (r *reader) plan(s string) string {
	if _, ok := r.book.Plan(lease.PlanID(s)); ok || s == "" {
		return s
	}
	return only(s, func(yield func(id string)) {
		for p := range r.book.Plans() {
			if names(p.Name, s) {
				yield(string(p.ID))
			}
		}
	})
}

func (r *reader) site(s string) string {
	if r.network.Site(catalogue.SiteID(s)) != nil || s == "" {
		return s
	}
	return only(s, func(yield func(id string)) {
		for _, site := range r.network.Sites {
			if names(s, string(site.ID), site.Name, site.City) {
				yield(string(site.ID))
			}
		}
	})
}

func (r *reader) member(s string) string {
	if _, ok := r.book.Member(lease.MemberID(s)); ok || s == "" {
		return s
	}
	return only(s, func(yield func(id string)) {
		for m := range r.book.Members() {
			if names(m.Name, s) || m.Email != "" && strings.EqualFold(m.Email, s) {
				yield(string(m.ID))
			}
		}
	})
}

// only is the one id that is found, or the text itself.
func only(s string, all func(yield func(id string))) string {
	found, n := s, 0
	all(func(id string) { found, n = id, n+1 })
	if n != 1 {
		return s
	}
	return found
}

// person finds the id of a row's member: by name among those of their tenant,
// else a new one made of the name.
func (r *reader) person(c cells) (string, []any, error) {
	name, tenant := c.fullName(), lease.TenantID(r.tenant(c["tenant"]))
	if slug(name) == "" {
		return "", nil, rowFault{"name", "is missing"}
	}
	swapped := strings.TrimSpace(c["lastname"] + " " + c["firstname"])
	id := slug(name)
	for m := range r.book.Members() {
		if m.Tenant == tenant && names(m.Name, name, swapped) {
			return string(m.ID), nil, nil
		}
	}
	for n := 2; ; n++ {
		if _, taken := r.book.Member(lease.MemberID(id)); !taken {
			return id, nil, nil
		}
		id = fmt.Sprintf("%s-%d", slug(name), n)
	}
}

// badge finds the id of a row's badge: of the one with its UID, else a new one
// made of its member's. A member who is only named is made, if need be.
func (r *reader) badge(c cells) (string, []any, error) {
	var before []any
	member := lease.MemberID(r.member(c["member"]))
	if member == "" {
		m, err := r.holderOf(c)
		if err != nil {
			return "", nil, err
		}
		if _, there := r.book.Member(m.ID); !there {
			before = append(before, m)
		}
		member = m.ID
	}
	r.holder = member
	var uid []wire.Credential // one, unless two spellings disagree: that is told where they are read
	for _, spelled := range []string{c["uid"], "dec:" + strings.TrimLeft(c["decimal"], "0")} {
		if parsed, err := wire.ParseCredential(spelled); err == nil && (len(uid) == 0 || parsed.String() != uid[0].String()) {
			uid = append(uid, parsed)
		}
	}
	if len(uid) == 1 {
		if old, ok := r.byHash[wire.HashCredential(r.keys.Lookup(), uid[0])]; ok {
			return string(old), before, nil
		}
	}
	id := slug(string(member)) + "-badge"
	for n := 2; ; n++ {
		if _, taken := r.book.Credential(lease.CredentialID(id)); !taken {
			return id, before, nil
		}
		id = fmt.Sprintf("%s-badge-%d", slug(string(member)), n)
	}
}

// holderOf is the member whose badge a row's names mean.
func (r *reader) holderOf(c cells) (lease.Member, error) {
	name := c.fullName()
	if name == "" {
		return lease.Member{}, rowFault{"member", "is missing"}
	}
	if c["tenant"] == "" && r.Tenant == "" {
		if id := r.member(name); id != name {
			m, _ := r.book.Member(lease.MemberID(id))
			return m, nil
		}
		return lease.Member{}, rowFault{"lastname", "is of nobody known: whose people these are is said by a column tenant, or by the tenant that the import is for"}
	}
	id, _, err := r.person(c)
	if err != nil {
		return lease.Member{}, err
	}
	if m, ok := r.book.Member(lease.MemberID(id)); ok {
		return m, nil
	}
	return lease.Member{ID: lease.MemberID(id), Tenant: lease.TenantID(r.tenant(c["tenant"])), Name: name, Roles: []string{}, StaffSites: []catalogue.SiteID{}}, nil
}
