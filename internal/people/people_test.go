package people

import (
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

var today = catalogue.Date(2026, 11, 23)

func network(t testing.TB) *catalogue.Network {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheSameSeedAndDayGiveTheSameWorld(t *testing.T) {
	n := network(t)
	a, b, other := New(n, 1, today), New(n, 1, today), New(n, 2, today)
	a.Network, b.Network, other.Network = nil, nil, nil
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(a.Members, other.Members) || cmp.Equal(a.Cards, other.Cards) {
		t.Error("another seed gives the same people")
	}
}

func TestAnotherDayMovesDatesAndNobody(t *testing.T) {
	n := network(t)
	a, b := New(n, 7, today), New(n, 7, today+1)
	for i := range a.Cards {
		b.Cards[i].ValidFrom, b.Cards[i].ValidTo = a.Cards[i].ValidFrom, a.Cards[i].ValidTo
	}
	if diff := cmp.Diff(a.Members, b.Members) + cmp.Diff(a.Cards, b.Cards) + cmp.Diff(a.Tenants, b.Tenants); diff != "" {
		t.Error(diff)
	}
	if a.Leases[0].StartsOn+1 != b.Leases[0].StartsOn {
		t.Error("the leases do not move with the day")
	}
}

// book puts the world into a lease.Book, which checks every reference. The
// UIDs' hashes stand for those under the ledger's keys.
func book(t testing.TB, w *World) *tenancy.Book {
	t.Helper()
	b := tenancy.NewBook(w.Network)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range w.Schedules {
		must(b.PutSchedule(s))
	}
	for _, p := range w.Plans {
		must(b.PutPlan(p))
	}
	for _, x := range w.Tenants {
		must(b.PutTenant(x))
	}
	for _, m := range w.Members {
		must(b.PutMember(m))
	}
	for _, c := range w.Cards {
		h := tenancy.CredentialHash(sha256.Sum256(c.UID))
		must(b.PutCredential(tenancy.Credential{ID: c.Credential, Member: c.Member, Kind: c.Kind, Status: c.Status,
			ValidFrom: c.ValidFrom, ValidTo: c.ValidTo, Lookup: h, ForList: h}))
	}
	for _, l := range w.Leases {
		must(b.PutLease(l))
	}
	for _, p := range w.Passes {
		h := tenancy.CredentialHash(sha256.Sum256([]byte(p.Token)))
		must(
			b.PutPass(
				tenancy.Pass{
					ID:        p.ID,
					Host:      p.Host,
					Name:      p.Name,
					Spaces:    p.Spaces,
					ValidFrom: p.ValidFrom,
					ValidTo:   p.ValidTo,
					Lookup:    h,
					ForList:   h,
				},
			),
		)
	}
	for _, e := range w.Events {
		must(b.PutEvent(e))
	}
	return b
}

func TestTheBookTakesEveryWorld(t *testing.T) {
	n := network(t)
	for seed := range uint64(20) {
		book(t, New(n, seed, today+catalogue.Day(seed*17)))
	}
}

func TestNoIdUIDTokenOrAddressIsUsedTwice(t *testing.T) {
	n := network(t)
	for seed := range uint64(10) {
		w := New(n, seed, today)
		seen := map[string]bool{}
		once := func(kind, s string) {
			t.Helper()
			if seen[kind+s] {
				t.Errorf("seed %d: %s %q twice", seed, kind, s)
			}
			seen[kind+s] = true
		}
		id := func(kind, s string) {
			t.Helper()
			once(kind, s)
			if !catalogue.ValidID(s) {
				t.Errorf("%s %q is not an id", kind, s)
			}
		}
		for _, x := range w.Tenants {
			id("tenant", string(x.ID))
		}
		for _, m := range w.Members {
			id("member", string(m.ID))
			once("email", m.Email)
		}
		for _, c := range w.Cards {
			id("card", string(c.Credential))
			once("uid", string(c.UID))
		}
		for _, l := range w.Leases {
			id("lease", string(l.ID))
		}
		for _, p := range w.Passes {
			id("pass", string(p.ID))
			once("token", p.Token)
		}
		for _, e := range w.Events {
			id("event", string(e.ID))
		}
	}
}

func TestTheNetworkIsPeopledAsDescribed(t *testing.T) {
	n := network(t)
	w := New(n, 1, today)
	if len(w.Tenants) != tenantCount || len(w.Members) != memberCount {
		t.Errorf("%d tenants, %d members", len(w.Tenants), len(w.Members))
	}
	kinds, statuses, plans := map[tenancy.TenantKind]int{}, map[tenancy.Status]int{}, map[tenancy.PlanID]int{}
	for _, x := range w.Tenants {
		kinds[x.Kind]++
	}
	email := regexp.MustCompile(`^[a-z0-9.]+@example\.(com|org|net)$`)
	for _, m := range w.Members {
		if !email.MatchString(m.Email) || !strings.Contains(m.Name, " ") {
			t.Errorf("%q <%s>", m.Name, m.Email)
		}
	}
	outOfDate := 0
	for _, c := range w.Cards {
		statuses[c.Status]++
		if len(c.UID) != shortUID && len(c.UID) != longUID || c.UID[len(c.UID)-1] == 0 {
			t.Errorf("%s has a UID of %d bytes", c.Credential, len(c.UID))
		}
		if c.ValidTo != nil && c.ValidTo.Before(w.Network.Zone.Start(today)) {
			outOfDate++
		}
	}
	suspended, ended, toCome, restricted := 0, 0, 0, 0
	for _, l := range w.Leases {
		plans[l.Plan]++
		for _, c := range []struct {
			is    bool
			count *int
		}{{l.Status == tenancy.Suspended, &suspended}, {l.EndsOn != nil && *l.EndsOn < today, &ended}, {l.StartsOn > today,
			&toCome}, {l.Members != nil, &restricted}} {
			if c.is {
				*c.count++
			}
		}
	}
	if kinds[tenancy.Company] < 30 || kinds[tenancy.Association] < 4 || kinds[tenancy.Institution] < 3 ||
		statuses[tenancy.Lost] < 5 ||
		statuses[tenancy.Revoked] < 5 ||
		outOfDate < 5 ||
		suspended < 4 ||
		ended == 0 ||
		toCome == 0 ||
		restricted < 4 ||
		len(plans) != len(w.Plans) {
		t.Errorf(
			"tenants %v, cards %v, %d out of date, leases: %d suspended %d ended %d to come %d restricted, plans %v",
			kinds,
			statuses,
			outOfDate,
			suspended,
			ended,
			toCome,
			restricted,
			plans,
		)
	}
}

func TestEverySiteHasABadgeThatOpensAndOneThatIsRefused(t *testing.T) {
	n := network(t)
	for seed := range uint64(30) {
		w := New(n, seed, today)
		for _, s := range n.Sites {
			opens, refused := w.Examples(s.ID)
			for _, e := range []Example{opens, refused} {
				d := n.Device(e.Device)
				if d == nil || d.Site != s.ID || d.Direction != catalogue.In || e.UID == "" || e.Why == "" {
					t.Errorf("seed %d, %s: %+v", seed, s.ID, e)
				}
			}
		}
	}
}

func TestASmallNetworkIsPeopledToo(t *testing.T) {
	for _, text := range []string{
		"network: A\ntimezone: UTC\n",
		"network: A\ntimezone: UTC\nsites:\n  - {id: a, name: A, city: A, holidays: fr}\n",
		"network: A\ntimezone: UTC\nsites:\n  - {id: a, name: A, city: A, holidays: fr}\nbuildings:\n  - {id: b, site: a, name: B}\nspaces:\n  - {id: s, building: b, floor: 0, name: S, kind: coworking, capacity: 4, area_m2: 20}\n",
	} {
		n, err := catalogue.Parse("small.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		w := New(n, 3, today)
		book(t, w)
		for _, s := range n.Sites {
			w.Examples(s.ID)
		}
	}
}

func BenchmarkWorld(b *testing.B) {
	n := network(b)
	for b.Loop() {
		New(n, 1, today)
	}
}
