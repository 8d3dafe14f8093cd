package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	askRate       = 1000 // questions a second
	askClients    = 50
	streamClients = 1000
	streamRounds  = 20
)

// live measures requests for availability, and how soon all clients of the
// stream get a change.
func live(ctx context.Context, e *env) (rows []Row, err error) {
	dir, err := e.dir("live")
	if err != nil {
		return nil, err
	}
	a, err := e.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	floor, err := steady(ctx, a, "/healthz", e.For)
	if err != nil {
		return nil, err
	}
	got, err := steady(ctx, a, "/v1/availability?limit=1000", e.For)
	if err != nil {
		return nil, err
	}
	rows = append(rows,
		Row{
			fmt.Sprintf("availability of the whole network at %d/s, p99", askRate),
			micro(quantile(got, 0.99)),
			"an empty answer " + micro(quantile(floor, 0.99)),
			float64(quantile(got, 0.99)) / float64(quantile(floor, 0.99)),
			"≤ 2 ms",
		},
	)
	one, err := spread(ctx, a, 1)
	if err != nil {
		return nil, err
	}
	clients := e.share(streamClients)
	all, err := spread(ctx, a, clients)
	if err != nil {
		return nil, err
	}
	return append(rows,
		Row{
			fmt.Sprintf("a change reaches the last of %d stream clients, worst of %d", clients, streamRounds),
			micro(all),
			"the only client " + micro(one),
			float64(all) / float64(one),
			"≤ 100 ms",
		},
	), nil
}

// steady asks at a steady rate over keep-alive connections and times the answers.
func steady(ctx context.Context, a *app.App, path string, length time.Duration) ([]time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: askClients, DisableCompression: true}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var times []time.Duration
	var errs []error
	var wg sync.WaitGroup
	every := time.Second * askClients / askRate
	for i := range askClients {
		wg.Go(func() {
			time.Sleep(every * time.Duration(i) / askClients)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
				began := time.Now()
				err := fetch(ctx, client, a, path)
				took := time.Since(began)
				mu.Lock()
				times, errs = append(times, took), append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(times)
	return times, errors.Join(errs...)
}

func fetch(ctx context.Context, client *http.Client, a *app.App, path string) error {
	resp, err := get(ctx, client, a, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func get(ctx context.Context, client *http.Client, a *app.App, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.HTTP.String()+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.Admin)
	resp, err := client.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("GET %s: %s", path, resp.Status), resp.Body.Close())
	}
	return resp, err
}

// spread measures how long a change takes to reach the last of so many clients,
// the worst of some rounds.
func spread(ctx context.Context, a *app.App, clients int) (worst time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	heard := make(chan int, clients*4)
	space := ""
	for _, d := range a.Network.Devices {
		if d.Kind == catalogue.PeopleCounter {
			space = string(d.Space)
			break
		}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	ready := make(chan error, clients)
	for range clients {
		wg.Go(func() { follow(ctx, client, a, space, ready, heard) })
	}
	for range clients {
		if err := <-ready; err != nil {
			return 0, err
		}
	}
	c, err := mqttclient.Dial(ctx, a.MQTT.String(), "bench-spread", "", "")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for round := range streamRounds {
		began := time.Now()
		if err := publishCount(c, a.Network, space, round+1+clients); err != nil {
			return 0, err
		}
		for told := 0; told < clients; {
			select {
			case n := <-heard:
				if n == round+1+clients {
					told++
				}
			case <-time.After(5 * time.Second):
				return 0, fmt.Errorf("only %d of %d clients received the change", told, clients)
			}
		}
		worst = max(worst, time.Since(began))
		time.Sleep(100 * time.Millisecond)
	}
	return worst, nil
}

func publishCount(c *mqttclient.Client, n *catalogue.Network, space string, count int) error {
	for _, d := range n.Devices {
		if d.Kind == catalogue.PeopleCounter && string(d.Space) == space {
			m := &wire.Message{
				Topic: wire.Topic{Site: d.Site, Device: d.ID, What: wire.Count},
				ID:    uuid.Must(uuid.NewV7()),
				At:    time.Now(),
				Count: count,
			}
			p, err := m.Encode()
			if err == nil {
				err = c.Publish(m.Topic.String(), p)
			}
			return err
		}
	}
	return errors.New("the space has no people-counter")
}

// follow reads a stream and reports each count of a space.
func follow(ctx context.Context, client *http.Client, a *app.App, space string, ready chan<- error, heard chan<- int) {
	resp, err := get(ctx, client, a, "/v1/availability/stream")
	if err != nil {
		ready <- err
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	mark, field := `"space":"`+space+`"`, `"count":`
	for lines.Scan() {
		text := lines.Text()
		if text == ": ready" {
			ready <- nil
		}
		if i := strings.Index(text, field); i >= 0 && strings.Contains(text, mark) {
			n := 0
			if _, err := fmt.Sscanf(text[i+len(field):], "%d", &n); err == nil {
				heard <- n
			}
		}
	}
}
