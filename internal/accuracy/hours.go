package accuracy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// personDay identifies one member's hours of one day.
type personDay struct {
	tenant tenancy.TenantID
	member tenancy.MemberID
	day    string
}

// measured is the API's answer for a member's day.
type measured struct {
	Tenant, Member, Day string
	Measured            int64 `json:"measured_seconds"`
	Inferred            int64 `json:"inferred_seconds"`
	Billable            int64 `json:"billable_minutes"`
}

// owed is the amount of a statement, from the API's answer.
type owed struct {
	Lease, Tenant, Month string
	Minutes              int64 `json:"billable_minutes"`
	Net                  int64 `json:"net_cents"`
}

// months returns the months that the simulated days lie in.
func (l *lived) months() []tariff.Month {
	var list []tariff.Month
	for day := l.from; day < l.to; day++ {
		t := time.Unix(int64(day)*86400, 0).UTC()
		if m := (tariff.Month{Year: t.Year(), Month: t.Month()}); len(list) == 0 || list[len(list)-1] != m {
			list = append(list, m)
		}
	}
	return list
}

// tariff returns the world's leases and plans, which never change.
func (l *lived) tariff() *tariff.Tariff {
	leases, plans := tariff.Leases{}, tariff.Plans{}
	for i := range l.world.Leases {
		leases[l.world.Leases[i].ID] = dated.Always[catalogue.Day](l.world.Leases[i])
	}
	for i := range l.world.Plans {
		plans[l.world.Plans[i].ID] = dated.Always[catalogue.Day](l.world.Plans[i])
	}
	return tariff.New(catalogue.Always(l.network), leases, plans)
}

// trueVisits returns the visits to billable spaces as they really were, by
// person.
func (l *lived) trueVisits() map[tariff.Person][]tariff.Visit {
	tenants := map[tenancy.MemberID]tenancy.TenantID{}
	for _, m := range l.world.Members {
		tenants[m.ID] = m.Tenant
	}
	byMember := map[tenancy.MemberID][]life.Stay{}
	for _, s := range l.truth {
		byMember[s.Member] = append(byMember[s.Member], s)
	}
	out := map[tariff.Person][]tariff.Visit{}
	for id, stays := range byMember {
		slices.SortFunc(stays, func(a, b life.Stay) int { return a.From.Compare(b.From) })
		who := tariff.Person{Tenant: tenants[id], Member: id}
		for _, sp := range l.network.Spaces {
			if !l.network.Billable(sp.ID) {
				continue
			}
			var v *tariff.Visit
			for _, s := range stays {
				if !l.network.Within(s.Space, sp.ID) {
					continue
				}
				if v != nil && v.To.Equal(s.From) {
					v.To = s.To
					continue
				}
				out[who] = append(
					out[who],
					tariff.Visit{Member: id, Tenant: who.Tenant, Space: sp.ID, From: s.From, To: s.To, Ended: visit.Badge},
				)
				v = &out[who][len(out[who])-1]
			}
		}
	}
	return out
}

// dayClass accumulates errors over days with the same evidence (all ends
// badged, some inferred …).
type dayClass struct {
	days, exact  int
	said, truly  int64 // seconds
	worst, total int64 // error in seconds: the largest of one day, and the sum of absolute errors
}

func (k *dayClass) add(said, truly int64) {
	k.days++
	k.said, k.truly = k.said+said, k.truly+truly
	d := max(said-truly, truly-said)
	k.worst, k.total = max(k.worst, d), k.total+d
	if d == 0 {
		k.exact++
	}
}

// perTenant sums one tenant's hours and statements.
type perTenant struct {
	id             tenancy.TenantID
	said, truly    int64 // seconds
	inferred       int64
	net, netTruly  int64 // cents
	mins, minsTrue int64 // billable
}

// hours prints measured hours and statements beside the true ones.
func (l *lived) hours(ctx context.Context, out io.Writer) error {
	kinds, tenants, err := l.compareHours(ctx)
	if err != nil {
		return err
	}
	if err := showDays(out, kinds); err != nil {
		return err
	}
	return showTenants(out, tenants)
}

func (l *lived) compareHours(ctx context.Context) (map[string]*dayClass, map[tenancy.TenantID]*perTenant, error) {
	terms, first, last := l.tariff(), l.from, l.to-1
	truly := map[personDay]int64{}
	minutes := map[tenancy.LeaseID]map[catalogue.Day]int64{}
	for who, visits := range l.trueVisits() {
		for _, d := range terms.Days(l.network.Zone, first, last, visits) {
			truly[personDay{who.Tenant, who.Member, d.Day.String()}] = d.Measured
			for _, s := range d.Leases {
				if minutes[s.Lease] == nil {
					minutes[s.Lease] = map[catalogue.Day]int64{}
				}
				minutes[s.Lease][d.Day] += s.Minutes
			}
		}
	}
	tenants := map[tenancy.TenantID]*perTenant{}
	of := func(id tenancy.TenantID) *perTenant {
		if tenants[id] == nil {
			tenants[id] = &perTenant{id: id}
		}
		return tenants[id]
	}
	kinds := map[string]*dayClass{}
	count := func(kind string, said, truly int64) {
		if kinds[kind] == nil {
			kinds[kind] = &dayClass{}
		}
		kinds[kind].add(said, truly)
	}
	seen := map[personDay]bool{}
	for _, m := range l.months() {
		list, err := cli.List[measured](ctx, l.client, cli.HoursPath, url.Values{"month": {m.String()}, "by": {"day"}})
		if err != nil {
			return nil, nil, err
		}
		for _, d := range list {
			key := personDay{tenancy.TenantID(d.Tenant), tenancy.MemberID(d.Member), d.Day}
			seen[key] = true
			t := of(key.tenant)
			t.said, t.inferred, t.mins = t.said+d.Measured, t.inferred+d.Inferred, t.mins+d.Billable
			switch _, there := truly[key]; {
			case !there:
				count(notThere, d.Measured, 0)
			case d.Inferred > 0:
				count(inferredEnd, d.Measured, truly[key])
			default:
				count(badgedEnd, d.Measured, truly[key])
			}
		}
	}
	for key, seconds := range truly {
		of(key.tenant).truly += seconds
		if !seen[key] {
			count(unseen, 0, seconds)
		}
	}
	return kinds, tenants, l.statements(ctx, terms, minutes, of)
}

// statements adds what would be issued, and what would truly have been due.
func (l *lived) statements(
	ctx context.Context,
	terms *tariff.Tariff,
	minutes map[tenancy.LeaseID]map[catalogue.Day]int64,
	of func(tenancy.TenantID) *perTenant,
) error {
	for _, m := range l.months() {
		list, err := cli.Preview[owed](ctx, l.client, m.String())
		if err != nil {
			return err
		}
		for _, s := range list {
			t := of(tenancy.TenantID(s.Tenant))
			t.net += s.Net
			a, _ := terms.Amounts(tenancy.LeaseID(s.Lease), m, minutes[tenancy.LeaseID(s.Lease)])
			t.netTruly, t.minsTrue = t.netTruly+a.Net, t.minsTrue+a.Minutes
		}
	}
	return nil
}

// The classes of days, as Totem itself distinguishes them.
const (
	badgedEnd   = "every end badged"
	inferredEnd = "some end inferred"
	unseen      = "not seen"
	notThere    = "nobody was there"
)

func hoursOf(seconds int64) string { return fmt.Sprintf("%.1f", float64(seconds)/3600) }

func showDays(out io.Writer, kinds map[string]*dayClass) error {
	fmt.Fprintf(out, "\nMeasured hours of the coworking, days of members:\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "the day's visits\tdays\texact to the second\tmeasured h\ttruly\terror\tmean off\tworst day\t")
	var all dayClass
	row := func(name string, k *dayClass) {
		fmt.Fprintf(t,
			"%s\t%d\t%.1f %%\t%s\t%s\t%s\t%s\t%s\t\n",
			name,
			k.days,
			100*float64(k.exact)/float64(k.days),
			hoursOf(k.said),
			hoursOf(k.truly),
			off(float64(k.said), float64(k.truly)),
			(time.Duration(k.total) * time.Second / time.Duration(k.days)).Round(time.Second),
			time.Duration(k.worst)*time.Second,
		)
	}
	for _, name := range []string{badgedEnd, inferredEnd, unseen, notThere} {
		if k := kinds[name]; k != nil {
			row(name, k)
			all.days, all.exact, all.said, all.truly, all.total, all.worst = all.days+k.days, all.exact+k.exact,
				all.said+k.said, all.truly+k.truly, all.total+k.total, max(all.worst, k.worst)
		}
	}
	if all.days > 0 {
		row("all", &all)
	}
	return t.Flush()
}

func showTenants(out io.Writer, tenants map[tenancy.TenantID]*perTenant) error {
	list := slices.SortedFunc(maps.Values(tenants), func(a, b *perTenant) int { return cmp.Compare(a.id, b.id) })
	list = slices.DeleteFunc(list, func(t *perTenant) bool { return t.said == 0 && t.truly == 0 && t.net == t.netTruly })
	fmt.Fprintf(out, "\nHours and statements, by tenant:\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "tenant\tmeasured h\ttruly\terror\tinferred\tbillable min\ttruly\tstatements €\ttruly\terror\t")
	all := perTenant{id: "all"}
	worst := 0.0
	row := func(p *perTenant) {
		fmt.Fprintf(t,
			"%s\t%s\t%s\t%s\t%s\t%d\t%d\t%.2f\t%.2f\t%s\t\n",
			p.id,
			hoursOf(p.said),
			hoursOf(p.truly),
			off(float64(p.said), float64(p.truly)),
			part(p.inferred, p.said),
			p.mins,
			p.minsTrue,
			float64(p.net)/100,
			float64(p.netTruly)/100,
			off(float64(p.net), float64(p.netTruly)),
		)
	}
	exact := 0
	for _, p := range list {
		row(p)
		all.said, all.truly, all.inferred, all.mins, all.minsTrue = all.said+p.said, all.truly+p.truly,
			all.inferred+p.inferred, all.mins+p.mins, all.minsTrue+p.minsTrue
		all.net, all.netTruly = all.net+p.net, all.netTruly+p.netTruly
		worst = max(worst, math.Abs(float64(p.net-p.netTruly))/100)
		if p.net == p.netTruly {
			exact++
		}
	}
	row(&all)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out,
		"\nStatements exact to the cent: %d of %d tenants; the worst is %.2f € off.\n",
		exact,
		len(list),
		worst,
	)
	return err
}

func part(of, all int64) string {
	if all == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(of)/float64(all))
}
