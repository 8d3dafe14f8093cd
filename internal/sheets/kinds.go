package sheets

import (
	"iter"
	"strconv"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
)

// kind is one kind of sheet.
type kind[T any] struct {
	name    string // of its file, and of the kind
	columns []column[T]
	all     func(*lease.Book) iter.Seq[T]
	find    func(*lease.Book, string) (T, bool)
	fresh   func(id string) T // with the defaults of one that is new
	// identify finds a row's id where it has none in a column id, and what must be put before it.
	identify func(*reader, cells) (id string, before []any, err error)
	by       string   // the column that tells two rows without ids apart
	needs    []string // columns without which a new one cannot be
	decisive []string // columns that only this kind has
}

// What people write for the words of rules 1.1 to 1.3, without accents, case and punctuation.
var (
	tenantKinds = map[string]string{"societe": "company", "entreprise": "company", "startup": "company", "asso": "association", "collectivite": "institution", "etablissement": "institution", "public": "institution"}
	statuses    = map[string]string{"actif": "active", "active": "active", "valide": "active", "perdu": "lost", "perdue": "lost", "vole": "lost", "revoque": "revoked", "revoquee": "revoked", "desactive": "revoked", "suspendu": "suspended", "suspendue": "suspended"}
	cardKinds   = map[string]string{"carte": "card", "badge": "card", "telephone": "mobile", "smartphone": "mobile"}
	audiences   = map[string]string{"publique": "public", "tous": "public", "invites": "invited", "surinvitation": "invited"}
	holidays    = map[string]string{"ouvert": "open", "ferme": "closed"}
	spaceKinds  = map[string]string{"bureau": "private-office", "bureauprive": "private-office", "salledereunion": "meeting-room", "reunion": "meeting-room", "bureauassociatif": "associations-office", "association": "associations-office",
		"associations": "associations-office", "demonstration": "demo", "commun": "common", "espacecommun": "common", "formation": "training", "visio": "videoconference", "visioconference": "videoconference", "incubateur": "incubator", "accelerateur": "accelerator", "auditorium": "auditorium"}
)

func tenants() kind[lease.Tenant] {
	type T = lease.Tenant
	return kind[T]{name: "tenants", all: (*lease.Book).Tenants, by: "name",
		find:     func(b *lease.Book, id string) (T, bool) { return b.Tenant(lease.TenantID(id)) },
		fresh:    func(id string) T { return T{ID: lease.TenantID(id), Kind: "company"} },
		identify: func(r *reader, c cells) (string, []any, error) { return r.byName(r.tenants, c["name"], "name") },
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			text("name", "nom raisonsociale societe entreprise locataire", func(v *T) *string { return &v.Name }),
			refer("site", "ville lieu", func(v *T) *catalogue.SiteID { return &v.Site }, (*reader).site),
			word("kind", "type forme nature", tenantKinds, "company", func(v *T) *string { return &v.Kind }),
		}}
}

func members() kind[lease.Member] {
	type T = lease.Member
	joined := func(r *reader, v *T, _ string) error { v.Name = r.row.fullName(); return nil }
	return kind[T]{name: "members", all: (*lease.Book).Members, by: "name",
		find:     func(b *lease.Book, id string) (T, bool) { return b.Member(lease.MemberID(id)) },
		fresh:    func(id string) T { return T{ID: lease.MemberID(id)} },
		identify: func(r *reader, c cells) (string, []any, error) { id, err := r.person(c); return id, nil, err },
		columns: []column[T]{
			id("identifiant", func(v *T) string { return string(v.ID) }),
			refer("tenant", "locataire societe entreprise structure", func(v *T) *lease.TenantID { return &v.Tenant }, (*reader).tenant),
			text("name", "nomcomplet nometprenom prenometnom nomprenom prenomnom membre", func(v *T) *string { return &v.Name }),
			column[T]{name: "lastname", also: "nom nomdefamille", set: joined}.of("name"),
			{name: "firstname", also: "prenom", set: joined},
			text("email", "courriel mail adressemail adresseelectronique", func(v *T) *string { return &v.Email }),
			ids("roles", "role", func(v *T) *[]string { return &v.Roles }, nil),
			ids("staff_sites", "sitesdupersonnel", func(v *T) *[]catalogue.SiteID { return &v.StaffSites }, (*reader).site),
		}}
}

func badges() kind[lease.Credential] {
	type T = lease.Credential
	holder := func(r *reader, v *T, _ string) error { v.Member = r.holder; return nil }
	return kind[T]{name: "badges", all: (*lease.Book).Credentials, by: "uid", decisive: []string{"uid", "decimal", "uid_hash"},
		find:     func(b *lease.Book, id string) (T, bool) { return b.Credential(lease.CredentialID(id)) },
		fresh:    func(id string) T { return T{ID: lease.CredentialID(id), Kind: "card", Status: lease.Active} },
		identify: (*reader).badge,
		columns: []column[T]{
			id("", func(v *T) string { return string(v.ID) }), // a list's own numbers may be UIDs, which must not be seen
			{name: "member", also: "membre personne porteur titulaire", get: func(v *T) string { return string(v.Member) }, set: holder},
			column[T]{name: "lastname", also: "nom nomdefamille", set: holder}.of("member"),
			{name: "firstname", also: "prenom", set: holder},
			{name: "name", also: "nomcomplet nometprenom prenometnom nomprenom prenomnom", set: holder},
			{name: "tenant", also: "locataire societe entreprise structure", set: func(r *reader, _ *T, _ string) error { return r.holds() }},
			beside[T]("email", "courriel mail adressemail adresseelectronique"), // of a member who is new
			word("kind", "type support", cardKinds, "card", func(v *T) *string { return &v.Kind }),
			{name: "uid", also: "badge badgeid badgenumber hex uidhex carte numero numerodebadge numerobadge numbadge ndebadge nbadge nobadge nodebadge idbadge nodecarte ndecarte", set: func(r *reader, v *T, s string) error {
				return r.uid(v, s, s)
			}},
			column[T]{name: "decimal", also: "decimalid dec uiddecimal", set: func(r *reader, v *T, s string) error {
				return r.uid(v, s, decimalUID(s))
			}}.of("uid"),
			word("status", "statut etat", statuses, string(lease.Active), func(v *T) *lease.Status { return &v.Status }),
			instant("valid_from", "date du debut datedebut datededebut remisle dateremise datederemise depuis valabledu", parseInstant, func(v *T) **time.Time { return &v.ValidFrom }),
			instant("valid_to", "au fin datefin datedefin jusquau valableau valablejusquau finvalidite finvalide expire expiration", parseEnd, func(v *T) **time.Time { return &v.ValidTo }),
			hash("uid_hash", func(v *T) *lease.Hash { return &v.Lookup }), hash("list_hash", func(v *T) *lease.Hash { return &v.ForList }), keyed[T](),
		}}
}

func schedules() kind[lease.Schedule] {
	type T = lease.Schedule
	return kind[T]{name: "schedules", by: "id", decisive: []string{"windows"},
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
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			ownSite(func(v *T) **catalogue.SiteID { return &v.Site }),
			{name: "windows", also: "plages horaires", get: func(v *T) string { return writeWeek(v.Windows) }, set: func(_ *reader, v *T, s string) (err error) {
				v.Windows, err = parseWeek(s)
				return err
			}},
			word("holidays", "joursferies feries", holidays, "closed", func(v *T) *string { return &v.Holidays }),
		}}
}

func plans() kind[lease.Plan] {
	type T = lease.Plan
	included, rate := func(v *T) *int { return &v.IncludedMinutes }, func(v *T) *int { return &v.HourlyRateCents }
	return kind[T]{name: "plans", all: (*lease.Book).Plans, by: "name",
		find:     func(b *lease.Book, id string) (T, bool) { return b.Plan(lease.PlanID(id)) },
		fresh:    func(id string) T { return T{ID: lease.PlanID(id), Schedule: lease.Always} },
		identify: func(r *reader, c cells) (string, []any, error) { return r.byName(r.plans, c["name"], "name") },
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			text("name", "nom formule libelle", func(v *T) *string { return &v.Name }),
			ownSite(func(v *T) **catalogue.SiteID { return &v.Site }),
			ids("includes", "comprend inclus espaces", func(v *T) *[]catalogue.SpaceKind { return &v.Includes }, (*reader).spaceKind),
			yes("roaming", "itinerance toussites", func(v *T) *bool { return &v.Roaming }),
			{name: "schedule", also: "horaire horaires", get: func(v *T) string { return string(v.Schedule) }, set: func(_ *reader, v *T, s string) error {
				if v.Schedule = lease.ScheduleID(s); s == "" {
					v.Schedule = lease.Always
				}
				return nil
			}},
			whole("included_minutes", "minutesincluses", included),
			scaled("included_hours", "heuresincluses forfaitheures", "included_minutes", 60, included, "h"),
			whole("hourly_rate_cents", "tarifhorairecentimes", rate),
			scaled("hourly_rate", "tarifhoraire tarifhoraireht prixhoraire tauxhoraire", "hourly_rate_cents", 100, rate, "€/h", "€", "EUR"),
			whole("rounding_minutes", "arrondi arrondiminutes", func(v *T) *int { return &v.RoundingMinutes }),
			whole("grace_minutes", "tolerance toleranceminutes franchise", func(v *T) *int { return &v.GraceMinutes }),
			whole("daily_cap_minutes", "plafondjour plafondjournalier", func(v *T) *int { return &v.DailyCapMinutes }),
			whole("inferred_cap_minutes", "plafondestime", func(v *T) *int { return &v.InferredCapMinutes }),
			{name: "vat_pct", also: "tva tauxtva tauxdetva vat", get: func(v *T) string { return strconv.FormatFloat(v.VatPct, 'f', -1, 64) }, set: func(_ *reader, v *T, s string) error {
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
	rent := func(v *T) *int { return &v.RentCentsMonth }
	return kind[T]{name: "leases", needs: []string{"starts_on"}, all: (*lease.Book).Leases, by: "plan",
		find:     func(b *lease.Book, id string) (T, bool) { return b.Lease(lease.ID(id)) },
		fresh:    func(id string) T { return T{ID: lease.ID(id), Status: lease.Active} },
		identify: func(r *reader, c cells) (string, []any, error) { id, err := r.lease(c); return id, nil, err },
		columns: []column[T]{
			id("identifiant code bail numero nbail ndebail numerodebail", func(v *T) string { return string(v.ID) }),
			refer("tenant", "locataire societe entreprise", func(v *T) *lease.TenantID { return &v.Tenant }, (*reader).tenant),
			{name: "site", also: "ville lieu", get: func(v *T) string { return string(v.Site) }, set: func(r *reader, v *T, s string) error {
				id, err := r.site(s)
				if v.Site = catalogue.SiteID(id); s == "" {
					t, _ := r.book.Tenant(v.Tenant)
					v.Site = t.Site
				}
				return err
			}},
			ids("spaces", "espaces espace bureaux bureau locaux", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }, nil),
			refer("plan", "formule", func(v *T) *lease.PlanID { return &v.Plan }, (*reader).plan),
			{name: "starts_on", also: "du debut datedebut datededebut", get: func(v *T) string { return v.StartsOn.String() }, set: func(_ *reader, v *T, s string) (err error) {
				v.StartsOn, err = parseDay(s)
				return err
			}},
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
			word("status", "statut etat", statuses, string(lease.Active), func(v *T) *lease.Status { return &v.Status }),
			{name: "members", also: "membres personnes", get: func(v *T) string {
				if v.Members != nil && len(v.Members) == 0 {
					return none
				}
				return writeList(v.Members)
			}, set: func(r *reader, v *T, s string) (err error) {
				if v.Members = nil; s != "" {
					v.Members, err = listed[lease.MemberID](r, s, (*reader).member)
				}
				return err
			}},
			whole("rent_cents_month", "loyercentimes", rent),
			scaled("rent", "loyer loyermensuel loyerht loyermensuelht loyerhtmensuel loyereuros rentmonth", "rent_cents_month", 100, rent, "€/mois", "€", "EUR"),
		}}
}

func passes() kind[lease.Pass] {
	type T = lease.Pass
	return kind[T]{name: "passes", all: (*lease.Book).Passes, by: "id", needs: []string{"token_hash"}, decisive: []string{"token_hash"},
		find:     func(b *lease.Book, id string) (T, bool) { return b.Pass(lease.PassID(id)) },
		fresh:    func(id string) T { return T{ID: lease.PassID(id)} },
		identify: noID,
		columns: []column[T]{
			id("", func(v *T) string { return string(v.ID) }),
			text("host", "hote", func(v *T) *string { return (*string)(&v.Host) }),
			text("name", "nom visiteur", func(v *T) *string { return &v.Name }),
			ids("spaces", "espaces", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }, nil),
			moment("valid_from", "du debut", parseInstant, func(v *T) *time.Time { return &v.ValidFrom }),
			moment("valid_to", "au fin", parseEnd, func(v *T) *time.Time { return &v.ValidTo }),
			yes("deleted", "", func(v *T) *bool { return &v.Deleted }),
			hash("token_hash", func(v *T) *lease.Hash { return &v.Lookup }), hash("list_hash", func(v *T) *lease.Hash { return &v.ForList }), keyed[T](),
		}}
}

func events() kind[lease.Event] {
	type T = lease.Event
	return kind[T]{name: "events", all: (*lease.Book).Events, by: "title", needs: []string{"starts_at", "ends_at"}, decisive: []string{"title"},
		find:     func(b *lease.Book, id string) (T, bool) { return b.Event(lease.EventID(id)) },
		fresh:    func(id string) T { return T{ID: lease.EventID(id)} },
		identify: func(r *reader, c cells) (string, []any, error) { id, err := r.event(c); return id, nil, err },
		columns: []column[T]{
			id("identifiant code", func(v *T) string { return string(v.ID) }),
			text("title", "titre evenement intitule", func(v *T) *string { return &v.Title }),
			ids("spaces", "espaces espace salle salles", func(v *T) *[]catalogue.SpaceID { return &v.Spaces }, nil),
			moment("starts_at", "debut du datedebut datededebut", parseInstant, func(v *T) *time.Time { return &v.StartsAt }),
			moment("ends_at", "fin au datefin datedefin", parseEnd, func(v *T) *time.Time { return &v.EndsAt }),
			word("audience", "public", audiences, "invited", func(v *T) *string { return &v.Audience }),
			ids("invited", "invites", func(v *T) *[]lease.MemberID { return &v.Invited }, (*reader).member),
		}}
}
