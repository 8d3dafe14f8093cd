package sheets

import (
	"iter"
	"strconv"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// kind is one kind of sheet.
type kind[T any] struct {
	name    string // name of its file and of the kind
	columns []column[T]
	all     func(*tenancy.Book) iter.Seq[T]
	find    func(*tenancy.Book, string) (T, bool)
	fresh   func(id string) T // a new record, with defaults
	// identify returns the id of a row without a column id, and what must be
	// put before it.
	identify func(*reader, cells) (id string, before []any, err error)
	by       string   // the column that distinguishes two rows without ids
	needs    []string // columns without which a new record cannot be created
	decisive []string // columns that only this kind has
}

// What people write for the words of rules 1.1 to 1.3, without accents, case
// and punctuation.
var (
	tenantKinds = map[string]string{
		"societe":       "company",
		"entreprise":    "company",
		"startup":       "company",
		"asso":          "association",
		"collectivite":  "institution",
		"etablissement": "institution",
		"public":        "institution",
	}
	statuses = map[string]string{
		"actif":     "active",
		"active":    "active",
		"valide":    "active",
		"perdu":     "lost",
		"perdue":    "lost",
		"vole":      "lost",
		"revoque":   "revoked",
		"revoquee":  "revoked",
		"desactive": "revoked",
		"suspendu":  "suspended",
		"suspendue": "suspended",
	}
	cardKinds = map[string]string{"carte": "card", "badge": "card", "telephone": "mobile", "smartphone": "mobile"}
	audiences = map[string]string{
		"publique":      "public",
		"tous":          "public",
		"invites":       "invited",
		"surinvitation": "invited",
	}
	holidays   = map[string]string{"ouvert": "open", "ferme": "closed"}
	spaceKinds = map[string]string{
		"bureau":           "private-office",
		"bureauprive":      "private-office",
		"salledereunion":   "meeting-room",
		"reunion":          "meeting-room",
		"bureauassociatif": "associations-office",
		"association":      "associations-office",
		"associations":     "associations-office",
		"demonstration":    "demo",
		"commun":           "common",
		"espacecommun":     "common",
		"formation":        "training",
		"visio":            "videoconference",
		"visioconference":  "videoconference",
		"incubateur":       "incubator",
		"accelerateur":     "accelerator",
		"auditorium":       "auditorium",
	}
)

func tenants() kind[tenancy.Tenant] {
	type T = tenancy.Tenant
	return kind[T]{name: "tenants", all: (*tenancy.Book).Tenants, by: "name",
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Tenant(tenancy.TenantID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.TenantID(id), Kind: tenancy.Company} },
		identify: func(r *reader, c cells) (string, []any, error) { return r.byName(r.tenants, c["name"], "name") },
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			text("name", "nom raisonsociale societe entreprise locataire", func(v *T) *string { return &v.Name }),
			refer("site", "ville lieu", func(v *T) *catalogue.SiteID { return &v.Site }, (*reader).site),
			word("kind", "type forme nature", tenantKinds, tenancy.Company, func(v *T) *tenancy.TenantKind { return &v.Kind }),
		}}
}

func members() kind[tenancy.Member] {
	type T = tenancy.Member
	joined := func(r *reader, v *T, _ string) error { v.Name = r.row.fullName(); return nil }
	return kind[T]{name: "members", all: (*tenancy.Book).Members, by: "name",
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Member(tenancy.MemberID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.MemberID(id)} },
		identify: func(r *reader, c cells) (string, []any, error) { id, err := r.person(c); return id, nil, err },
		columns: []column[T]{
			id("identifiant", func(v *T) string { return string(v.ID) }),
			refer(
				"tenant",
				"locataire societe entreprise structure",
				func(v *T) *tenancy.TenantID { return &v.Tenant },
				(*reader).tenant,
			),
			text("name", "nomcomplet nometprenom prenometnom nomprenom prenomnom membre", func(v *T) *string { return &v.Name }),
			column[T]{name: "lastname", also: "nom nomdefamille", set: joined}.of("name"),
			{name: "firstname", also: "prenom", set: joined},
			text("email", "courriel mail adressemail adresseelectronique", func(v *T) *string { return &v.Email }),
			ids("roles", "role", func(v *T) *[]tenancy.MemberRole { return &v.Roles }, nil),
			ids("staff_sites", "sitesdupersonnel", func(v *T) *[]catalogue.SiteID { return &v.StaffSites }, (*reader).site),
		}}
}

func badges() kind[tenancy.Credential] {
	type T = tenancy.Credential
	holder := func(r *reader, v *T, _ string) error { v.Member = r.holder; return nil }
	return kind[T]{
		name:     "badges",
		all:      (*tenancy.Book).Credentials,
		by:       "uid",
		decisive: []string{"uid", "decimal", "uid_hash"},
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Credential(tenancy.CredentialID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.CredentialID(id), Kind: tenancy.Card, Status: tenancy.Active} },
		identify: (*reader).badge,
		columns: []column[T]{
			id("", func(v *T) string { return string(v.ID) }), // a list's own numbers may be UIDs, which must not become visible
			{
				name: "member",
				also: "membre personne porteur titulaire",
				get:  func(v *T) string { return string(v.Member) },
				set:  holder,
			},
			column[T]{name: "lastname", also: "nom nomdefamille", set: holder}.of("member"),
			{name: "firstname", also: "prenom", set: holder},
			{name: "name", also: "nomcomplet nometprenom prenometnom nomprenom prenomnom", set: holder},
			{
				name: "tenant",
				also: "locataire societe entreprise structure",
				set:  func(r *reader, _ *T, _ string) error { return r.holds() },
			},
			beside[T]("email", "courriel mail adressemail adresseelectronique"), // of a new member
			word("kind", "type support", cardKinds, tenancy.Card, func(v *T) *tenancy.CredentialKind { return &v.Kind }),
			{
				name: "uid",
				also: "badge badgeid badgenumber hex uidhex carte numero numerodebadge numerobadge numbadge ndebadge nbadge nobadge nodebadge idbadge nodecarte ndecarte",
				set: func(r *reader, v *T, s string) error {
					return r.uid(v, s, s)
				},
			},
			column[T]{name: "decimal", also: "decimalid dec uiddecimal", set: func(r *reader, v *T, s string) error {
				return r.uid(v, s, decimalUID(s))
			}}.of("uid"),
			word("status", "statut etat", statuses, tenancy.Active, func(v *T) *tenancy.Status { return &v.Status }),
			instant(
				"valid_from",
				"date du debut datedebut datededebut remisle dateremise datederemise depuis valabledu",
				parseInstant,
				func(v *T) **time.Time { return &v.ValidFrom },
			),
			instant(
				"valid_to",
				"au fin datefin datedefin jusquau valableau valablejusquau finvalidite finvalide expire expiration",
				parseEnd,
				func(v *T) **time.Time { return &v.ValidTo },
			),
			hash(
				"uid_hash",
				func(v *T) *tenancy.CredentialHash { return &v.Lookup },
			),
			hash("list_hash", func(v *T) *tenancy.CredentialHash { return &v.ForList }),
			keyed[T](),
		},
	}
}

func schedules() kind[tenancy.Schedule] {
	type T = tenancy.Schedule
	return kind[T]{name: "schedules", by: "id", decisive: []string{"windows"},
		all: func(b *tenancy.Book) iter.Seq[T] {
			return func(yield func(T) bool) {
				for s := range b.Schedules() {
					if s.ID != tenancy.Always && !yield(s) {
						return
					}
				}
			}
		},
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Schedule(tenancy.ScheduleID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.ScheduleID(id), Holidays: tenancy.ClosedOnHolidays} },
		identify: noID,
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			ownSite(func(v *T) **catalogue.SiteID { return &v.Site }),
			{
				name: "windows",
				also: "plages horaires",
				get:  func(v *T) string { return writeWeek(v.Windows) },
				set: func(_ *reader, v *T, s string) (err error) {
					v.Windows, err = parseWeek(s)
					return err
				},
			},
			word(
				"holidays",
				"joursferies feries",
				holidays,
				tenancy.ClosedOnHolidays,
				func(v *T) *tenancy.HolidayRule { return &v.Holidays },
			),
		}}
}

func plans() kind[tenancy.Plan] {
	type T = tenancy.Plan
	included, rate := func(v *T) *int { return &v.IncludedMinutes }, func(v *T) *int { return &v.HourlyRateCents }
	return kind[T]{name: "plans", all: (*tenancy.Book).Plans, by: "name",
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Plan(tenancy.PlanID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.PlanID(id), Schedule: tenancy.Always} },
		identify: func(r *reader, c cells) (string, []any, error) { return r.byName(r.plans, c["name"], "name") },
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			text("name", "nom formule libelle", func(v *T) *string { return &v.Name }),
			ownSite(func(v *T) **catalogue.SiteID { return &v.Site }),
			ids(
				"includes",
				"comprend inclus espaces",
				func(v *T) *[]catalogue.SpaceKind { return &v.Includes },
				(*reader).spaceKind,
			),
			yes("roaming", "itinerance toussites", func(v *T) *bool { return &v.Roaming }),
			{
				name: "schedule",
				also: "horaire horaires",
				get:  func(v *T) string { return string(v.Schedule) },
				set: func(_ *reader, v *T, s string) error {
					if v.Schedule = tenancy.ScheduleID(s); s == "" {
						v.Schedule = tenancy.Always
					}
					return nil
				},
			},
			whole("included_minutes", "minutesincluses", included),
			scaled("included_hours", "heuresincluses forfaitheures", "included_minutes", 60, included, "h"),
			whole("hourly_rate_cents", "tarifhorairecentimes", rate),
			scaled(
				"hourly_rate",
				"tarifhoraire tarifhoraireht prixhoraire tauxhoraire",
				"hourly_rate_cents",
				100,
				rate,
				"€/h",
				"€",
				"EUR",
			),
			whole("rounding_minutes", "arrondi arrondiminutes", func(v *T) *int { return &v.RoundingMinutes }),
			whole("grace_minutes", "tolerance toleranceminutes franchise", func(v *T) *int { return &v.GraceMinutes }),
			whole("daily_cap_minutes", "plafondjour plafondjournalier", func(v *T) *int { return &v.DailyCapMinutes }),
			whole("inferred_cap_minutes", "plafondestime", func(v *T) *int { return &v.InferredCapMinutes }),
			{
				name: "vat_pct",
				also: "tva tauxtva tauxdetva vat",
				get:  func(v *T) string { return strconv.FormatFloat(v.VatPct, 'f', -1, 64) },
				set: func(_ *reader, v *T, s string) error {
					if v.VatPct = 0; s == "" {
						return nil
					}
					n, err := parseNumber(s, "%")
					if err == nil {
						v.VatPct, _ = n.Float64()
					}
					return err
				},
			},
		}}
}

func leases() kind[tenancy.Lease] {
	type T = tenancy.Lease
	rent := func(v *T) *int { return &v.RentCentsMonth }
	return kind[T]{name: "leases", needs: []string{"starts_on"}, all: (*tenancy.Book).Leases, by: "plan",
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Lease(tenancy.LeaseID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.LeaseID(id), Status: tenancy.Active} },
		identify: func(r *reader, c cells) (string, []any, error) { id, err := r.lease(c); return id, nil, err },
		columns: []column[T]{
			id("identifiant code bail numero nbail ndebail numerodebail", func(v *T) string { return string(v.ID) }),
			refer("tenant", "locataire societe entreprise", func(v *T) *tenancy.TenantID { return &v.Tenant }, (*reader).tenant),
			{
				name: "site",
				also: "ville lieu",
				get:  func(v *T) string { return string(v.Site) },
				set: func(r *reader, v *T, s string) error {
					id, err := r.site(s)
					if v.Site = catalogue.SiteID(id); s == "" {
						t, _ := r.book.Tenant(v.Tenant)
						v.Site = t.Site
					}
					return err
				},
			},
			ids("spaces", "espaces espace bureaux bureau locaux", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }, nil),
			refer("plan", "formule", func(v *T) *tenancy.PlanID { return &v.Plan }, (*reader).plan),
			{
				name: "starts_on",
				also: "du debut datedebut datededebut",
				get:  func(v *T) string { return v.StartsOn.String() },
				set: func(_ *reader, v *T, s string) (err error) {
					v.StartsOn, err = parseDay(s)
					return err
				},
			},
			{name: "ends_on", also: "au fin datefin datedefin", get: func(v *T) string {
				if v.EndsOn == nil {
					return ""
				}
				return v.EndsOn.String()
			}, set: func(_ *reader, v *T, s string) error {
				if v.EndsOn = nil; s == "" {
					return nil
				}
				d, err := parseDay(s)
				v.EndsOn = &d
				return err
			}},
			word("status", "statut etat", statuses, tenancy.Active, func(v *T) *tenancy.Status { return &v.Status }),
			{name: "members", also: "membres personnes", get: func(v *T) string {
				if v.Members != nil && len(v.Members) == 0 {
					return none
				}
				return writeList(v.Members)
			}, set: func(r *reader, v *T, s string) (err error) {
				if v.Members = nil; s != "" {
					v.Members, err = listed[tenancy.MemberID](r, s, (*reader).member)
				}
				return err
			}},
			whole("rent_cents_month", "loyercentimes", rent),
			scaled(
				"rent",
				"loyer loyermensuel loyerht loyermensuelht loyerhtmensuel loyereuros rentmonth",
				"rent_cents_month",
				100,
				rent,
				"€/mois",
				"€",
				"EUR",
			),
		}}
}

func passes() kind[tenancy.Pass] {
	type T = tenancy.Pass
	return kind[T]{
		name:     "passes",
		all:      (*tenancy.Book).Passes,
		by:       "id",
		needs:    []string{"token_hash"},
		decisive: []string{"token_hash"},
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Pass(tenancy.PassID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.PassID(id)} },
		identify: noID,
		columns: []column[T]{
			id("", func(v *T) string { return string(v.ID) }),
			text("host", "hote", func(v *T) *string { return (*string)(&v.Host) }),
			text("name", "nom visiteur", func(v *T) *string { return &v.Name }),
			ids("spaces", "espaces", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }, nil),
			moment("valid_from", "du debut", parseInstant, func(v *T) *time.Time { return &v.ValidFrom }),
			moment("valid_to", "au fin", parseEnd, func(v *T) *time.Time { return &v.ValidTo }),
			yes("deleted", "", func(v *T) *bool { return &v.Deleted }),
			hash(
				"token_hash",
				func(v *T) *tenancy.CredentialHash { return &v.Lookup },
			),
			hash("list_hash", func(v *T) *tenancy.CredentialHash { return &v.ForList }),
			claims(),
			keyed[T](),
		},
	}
}

func events() kind[tenancy.Event] {
	type T = tenancy.Event
	return kind[T]{
		name:     "events",
		all:      (*tenancy.Book).Events,
		by:       "title",
		needs:    []string{"starts_at", "ends_at"},
		decisive: []string{"title"},
		find:     func(b *tenancy.Book, id string) (T, bool) { return b.Event(tenancy.EventID(id)) },
		fresh:    func(id string) T { return T{ID: tenancy.EventID(id)} },
		identify: func(r *reader, c cells) (string, []any, error) { id, err := r.event(c); return id, nil, err },
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			text("title", "titre evenement intitule", func(v *T) *string { return &v.Title }),
			ids("spaces", "espaces espace salle salles", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }, nil),
			moment("starts_at", "debut du datedebut datededebut", parseInstant, func(v *T) *time.Time { return &v.StartsAt }),
			moment("ends_at", "fin au datefin datedefin", parseEnd, func(v *T) *time.Time { return &v.EndsAt }),
			word("audience", "public", audiences, tenancy.Invited, func(v *T) *tenancy.Audience { return &v.Audience }),
			ids("invited", "invites", func(v *T) *[]tenancy.MemberID { return &v.Invited }, (*reader).member),
		},
	}
}
