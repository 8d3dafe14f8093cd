package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

const (
	manyFlows    = 100_000
	lateMessages = 300_000
	lateGateways = 4
	manyPeople   = 10_000
)

// isolation measures decisions while nothing else happens, then while the
// service is busy: one counter that sends without end, gateways that upload a
// week of late messages, and a year of usage that is asked for again and again.
func isolation(ctx context.Context, e *env) (rows []Row, err error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	quiet := time.Duration(0)
	for _, load := range []struct {
		name string
		run  func(ctx context.Context, a *app.App, n *catalogue.Network) error
	}{
		{"while nothing else happens", nil},
		{fmt.Sprintf("while one counter sends %d flows", e.share(manyFlows)), e.flood},
		{fmt.Sprintf("while %d gateways bring %d late messages", lateGateways, e.share(lateMessages)), e.late},
		{"while a year of usage is asked", askYears},
		{fmt.Sprintf("while %d people are imported", e.share(manyPeople)), e.importPeople},
		{"while the audit chain is verified", repeated("/v1/audit/verify")},
		{"while everything is exported", repeated("/v1/export")},
	} {
		dir, err := e.dir("isolation")
		if err != nil {
			return nil, err
		}
		a, err := e.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		p99, p50, err := e.during(ctx, a, n, load.run)
		if err := errors.Join(err, a.Close(ctx)); err != nil {
			return nil, fmt.Errorf("%s: %w", load.name, err)
		}
		row := Row{What: "publish → decision " + load.name + ", p99 (p50 " + micro(p50) + ")", Got: micro(p99)}
		if load.run == nil {
			quiet = p99
		} else {
			row.Floor, row.Ratio, row.Target = "while nothing else happens "+micro(quiet), float64(p99)/float64(quiet), "≤ 5 ×"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// during measures decisions while a load runs.
func (e *env) during(
	ctx context.Context,
	a *app.App,
	n *catalogue.Network,
	load func(context.Context, *app.App, *catalogue.Network) error,
) (p99, p50 time.Duration, err error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		if load == nil {
			done <- nil
			return
		}
		done <- load(loading, a, n)
	}()
	got, err := roundTrips(ctx, a.MQTT.String(), n, 2*e.For, "isolation")
	stop()
	if lerr := <-done; lerr != nil && !errors.Is(lerr, context.Canceled) {
		err = errors.Join(err, lerr)
	}
	return quantile(got, 0.99), quantile(got, 0.5), err
}

// flood sends flows of one counter as fast as they are taken.
func (e *env) flood(ctx context.Context, a *app.App, n *catalogue.Network) error {
	for _, d := range n.Devices {
		if d.Kind == catalogue.FlowCounter {
			topic := wire.Topic{Site: d.Site, Device: d.ID, What: wire.Flow}.String()
			return publishAll(ctx, a, "flood", e.share(manyFlows), func(int) (string, []byte) {
				return topic, fmt.Appendf(nil, `{"id":"%s","at":"%s","in":1,"out":1}`, uuid.New(), wire.FormatTime(time.Now()))
			})
		}
	}
	return errors.New("the catalogue has no flow counter")
}

// late sends a week of sensors' and offline readers' messages over several
// connections.
func (e *env) late(ctx context.Context, a *app.App, n *catalogue.Network) error {
	var devices []catalogue.Device
	for _, d := range n.Devices {
		if d.Kind == catalogue.PeopleCounter || d.Kind == catalogue.Occupancy ||
			d.Kind == catalogue.Reader && d.Direction == catalogue.In {
			devices = append(devices, d)
		}
	}
	week := time.Now().Add(-7 * 24 * time.Hour)
	each := max(1, e.share(lateMessages)/lateGateways)
	var wg sync.WaitGroup
	errs := make([]error, lateGateways)
	for g := range lateGateways {
		wg.Go(func() {
			errs[g] = publishAll(ctx, a, fmt.Sprintf("late-%d", g), each, func(i int) (string, []byte) {
				d := devices[(i*lateGateways+g)%len(devices)]
				at := wire.FormatTime(week.Add(time.Duration(i) * 7 * 24 * time.Hour / time.Duration(each)))
				t := wire.Topic{Site: d.Site, Device: d.ID, What: wire.Count}
				body := fmt.Sprintf(`"count":%d`, i%20)
				switch d.Kind {
				case catalogue.Occupancy:
					t.What, body = wire.Occupancy, fmt.Sprintf(`"occupied":%t`, i%2 == 0)
				case catalogue.Reader:
					t.What, body = wire.Badge, `"credential":"04A1B2C3","offline":{"granted":true,"reason":"lease","list":"1"}`
				}
				return t.String(), fmt.Appendf(nil, `{"id":"%s","at":"%s",%s}`, uuid.New(), at, body)
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func publishAll(
	ctx context.Context,
	a *app.App,
	name string,
	count int,
	make func(i int) (topic string, payload []byte),
) error {
	c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "bench-" + name, Window: 1000})
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range count {
		if ctx.Err() != nil {
			return nil
		}
		topic, payload := make(i)
		if err := c.Publish(topic, payload); err != nil {
			return err
		}
	}
	return c.Drain(ctx)
}

// askYears asks for a year of every space, by hour of the week, without end.
func askYears(ctx context.Context, a *app.App, n *catalogue.Network) error {
	to := time.Now().UTC().Truncate(time.Hour)
	url := fmt.Sprintf(
		"http://%s/v1/usage?by=hour-of-week&from=%s&to=%s",
		a.HTTP,
		to.AddDate(-1, 0, 0).Format(time.RFC3339),
		to.Format(time.RFC3339),
	)
	for ctx.Err() == nil {
		if err := call(ctx, a, http.MethodGet, url, ""); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// repeated asks for something again and again, in a ledger with some history.
func repeated(path string) func(context.Context, *app.App, *catalogue.Network) error {
	return func(ctx context.Context, a *app.App, _ *catalogue.Network) error {
		for ctx.Err() == nil {
			if err := call(ctx, a, http.MethodGet, "http://"+a.HTTP.String()+path, ""); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
}

// importPeople imports a list of people again and again, each time with other
// names, so that all of them change.
func (e *env) importPeople(ctx context.Context, a *app.App, _ *catalogue.Network) error {
	base := "http://" + a.HTTP.String() + "/v1/"
	tenant := `{"name":"Bench","site":"metz","kind":"company"}`
	if err := call(ctx, a, http.MethodPut, base+"tenants/bench", tenant); err != nil {
		return err
	}
	for round := 0; ctx.Err() == nil; round++ {
		var list strings.Builder
		list.WriteString("id,name,tenant\n")
		for i := range e.share(manyPeople) {
			fmt.Fprintf(&list, "bench-%d,Eva %d-%d Muster,bench\n", i, round, i)
		}
		if err := call(ctx, a, http.MethodPost, base+"import?name=members.csv&accept=warnings", list.String()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// call sends a request to the API and reads the whole answer.
func call(ctx context.Context, a *app.App, method, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.Admin)
	if body != "" {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, req.URL.Path, res.Status, text)
	}
	return nil
}
