package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

const (
	billedTenants = 200
	billedMembers = 1000
	billedReads   = 500_000
)

// invoices measures what billing waits for, over HTTP, beside the smallest
// request that the same service answers.
func invoices(ctx context.Context, e *env) (rows []Row, err error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	dir, err := e.dir("bills")
	if err != nil {
		return nil, err
	}
	began, reads := time.Now(), e.share(billedReads)
	if err := fill(ctx, dir, n, reads, 80*24*time.Hour); err != nil {
		return nil, err
	}
	month := tariff.MonthAt(tariff.Month{Year: began.Year(), Month: began.Month()}.Index() - 1)
	visits, err := fillVisits(ctx, dir, n, month)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.out, "  made %d reads and %d visits in %s\n", reads, visits, time.Since(began).Round(time.Second))
	a, err := e.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	if err := a.Rights.Apply(ctx, "bench", billed(month)...); err != nil {
		return nil, err
	}
	time.Sleep(settle)

	ask := func(method, path, body string) func() error {
		return func() error { return request(ctx, a, method, path, body) }
	}
	floor, err := best(5, ask("GET", "/v1/plans", ""))
	if err != nil {
		return nil, err
	}
	first, last := month.Days()
	for _, q := range []struct {
		what, method, path, body, target string
		times                            int
	}{
		{fmt.Sprintf("hours of a month, %d members, by tenant", billedMembers), "GET",
			"/v1/hours?month=" + month.String() + "&limit=1000", "", "≤ 20 ms", 5},
		{"the same by day, a page", "GET", "/v1/hours?by=day&month=" + month.String(), "", "", 5},
		{"explaining one day", "GET", "/v1/hours/explain?member=bench-7&day=" + (first + (last-first)/2).String(), "",
			"≤ 5 ms", 5},
		{fmt.Sprintf("issuing a month for %d tenants, %d reads in the ledger", billedTenants, reads), "POST", "/v1/statements", `{"month":"` + tariff.MonthAt(month.Index()-1).String() + `"}`, "≤ 2 s", 1},
	} {
		got, err := best(q.times, ask(q.method, q.path, q.body))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		rows = append(rows,
			Row{q.what, micro(got), "listing a plan " + micro(floor), float64(got) / float64(floor), q.target},
		)
	}
	if err := correct(ctx, a, tariff.MonthAt(month.Index()-1)); err != nil {
		return nil, err
	}
	got, err := best(1, ask("POST", "/v1/statements", `{"month":"`+month.String()+`"}`))
	if err != nil {
		return nil, err
	}
	return append(rows,
		Row{
			"issuing the next, each with a correction, its cause and days",
			micro(got),
			"listing a plan " + micro(floor),
			float64(got) / float64(floor),
			"≤ 2 s",
		},
	), nil
}

// correct corrects the first visit of each tenant's first member in a month.
func correct(ctx context.Context, a *app.App, m tariff.Month) error {
	first, last := m.Days()
	from, to := a.Network.Zone.Start(first), a.Network.Zone.Start(last+1)
	for i := range billedTenants {
		var page struct {
			Items []struct{ ID, From string }
		}
		q := url.Values{
			"member": {string(benchMember(i))},
			"from":   {from.Format(time.RFC3339)},
			"to":     {to.Format(time.RFC3339)},
			"limit":  {"1"},
		}
		if err := asked(ctx, a, http.MethodGet, "/v1/visits?"+q.Encode(), "", &page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			return fmt.Errorf("%s has no visits in %s", benchMember(i), m)
		}
		v := page.Items[0]
		body := fmt.Sprintf(`{"from":%q,"to":%q,"reason":"bench"}`, v.From, v.From)
		if err := asked(ctx, a, http.MethodPut, "/v1/visits/"+v.ID+"/correction", body, nil); err != nil {
			return err
		}
	}
	return nil
}

func request(ctx context.Context, a *app.App, method, path, body string) error {
	var page struct{ Items []json.RawMessage }
	err := asked(ctx, a, method, path, body, &page)
	if err == nil && method == http.MethodPost && len(page.Items) != billedTenants {
		err = fmt.Errorf("%d statements", len(page.Items))
	}
	return err
}

// asked sends a request and decodes its answer. With nil, or where the answer
// is a table, it only reads it.
func asked(ctx context.Context, a *app.App, method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+a.HTTP.String()+path, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer bench-admin-token-bench")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, answer)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	return err
}

// billed creates tenants of five members each, with a lease.
func billed(m tariff.Month) []rights.Change {
	first, _ := m.Days()
	list := []rights.Change{
		{
			Put: tenancy.Plan{
				ID:              "bench",
				Name:            "Bench",
				Includes:        []catalogue.SpaceKind{catalogue.Coworking},
				Schedule:        tenancy.Always,
				HourlyRateCents: 300,
				IncludedMinutes: 1200,
				RoundingMinutes: 15,
				GraceMinutes:    5,
				VatPct:          20,
			},
		},
	}
	for i := range billedTenants {
		t := tenancy.TenantID(fmt.Sprintf("bench-%d", i))
		list = append(list,
			rights.Change{Put: tenancy.Tenant{ID: t, Name: "Bench", Site: "metz", Kind: tenancy.Company}},
			rights.Change{
				Put: tenancy.Lease{
					ID:             tenancy.LeaseID(t),
					Tenant:         t,
					Site:           "metz",
					Plan:           "bench",
					StartsOn:       first - 400,
					Status:         tenancy.Active,
					RentCentsMonth: 10_000,
				},
			},
		)
	}
	for i := range billedMembers {
		list = append(list,
			rights.Change{
				Put: tenancy.Member{
					ID:     benchMember(i),
					Tenant: tenancy.TenantID(fmt.Sprintf("bench-%d", i%billedTenants)),
					Name:   "Bench",
					Email:  "bench@example.org",
				},
			},
		)
	}
	return list
}

func benchMember(i int) tenancy.MemberID { return tenancy.MemberID(fmt.Sprintf("bench-%d", i)) }

// fillVisits gives everybody a visit on every weekday of the month and of the
// month before it.
func fillVisits(ctx context.Context, dir string, n *catalogue.Network, m tariff.Month) (visits int, err error) {
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	from, _ := tariff.MonthAt(m.Index() - 1).Days()
	_, to := m.Days()
	for i := range billedMembers {
		var list []ledger.Visit
		for day := from; day <= to; day++ {
			if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
				continue
			}
			begin := n.Zone.Instant(day, 8*3600+(i*97+int(day)*31)%7200)
			list = append(list,
				ledger.Visit{
					ID:     uuid.Must(uuid.NewV7()),
					Tenant: tenancy.TenantID(fmt.Sprintf("bench-%d", i%billedTenants)),
					Space:  "metz-coworking",
					From:   begin,
					To:     begin.Add(time.Duration(3600+(i*61+int(day)*17)%20_000) * time.Second),
					Ended:  visit.Badge,
				},
			)
		}
		visits += len(list)
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			return tx.ReplaceVisits(benchMember(i), n.Zone.Start(from), n.Zone.Start(to+1), list)
		})
		if err != nil {
			return 0, err
		}
	}
	return visits, nil
}
