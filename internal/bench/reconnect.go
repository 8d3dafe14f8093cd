package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/wire"
)

const (
	returningDoors = 500
	returns        = 5 // times that all come back; the median counts
	tryAgain       = 100 * time.Millisecond
	networkTimes   = 5 // times the built-in network, which has that many readers
)

// anyPassword accepts the devices of a network.
type anyPassword struct{ n *catalogue.Network }

func (a anyPassword) Authenticate(user string, _ []byte) (broker.Principal, bool) {
	d := a.n.Device(catalogue.DeviceID(user))
	if d == nil {
		return broker.Principal{}, false
	}
	return broker.Principal{Name: user, Site: d.Site, Device: d.ID}, true
}

// returning is a reader that comes back after a power cut, with its password.
type returning struct {
	device   catalogue.Device
	password string
}

// reconnect measures the time from the return of the power until the last of 500 readers,
// each with a connection of its own and all from one address, has the decision on its first
// badge. It compares that with the same readers at a broker that answers at once, checks
// nothing and stores nothing.
func reconnect(ctx context.Context, e *env) ([]Row, error) {
	built, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	n := people.Times(built, networkTimes)
	var doors []returning
	for _, d := range n.Devices {
		if d.Kind == catalogue.Reader && d.Direction == catalogue.In && len(doors) < e.share(returningDoors) {
			doors = append(doors, returning{d, "a password"})
		}
	}
	var echo *broker.Embedded
	echo, err = broker.NewEmbedded(
		broker.EmbeddedConfig{Listen: "127.0.0.1:0", Network: n, Auth: anyPassword{n}, Log: e.log,
			Handler: func(d broker.Delivery) {
				if t, err := wire.ParseUp(d.Topic); err == nil && t.What == wire.Badge {
					t.What = wire.Decision
					_ = echo.Publish(t.String(), d.Payload, false)
				}
				d.Ack()
			}},
	)
	if err != nil {
		return nil, err
	}
	if err := echo.Start(); err != nil {
		return nil, err
	}
	floor, _, err := comeBack(ctx, echo.Addr().String(), doors)
	if err := errors.Join(err, echo.Close(ctx)); err != nil {
		return nil, fmt.Errorf("at a broker that answers at once: %w", err)
	}
	a, err := e.startWith(ctx, n)
	if err != nil {
		return nil, err
	}
	err = secrets(ctx, a, doors)
	got, refused := time.Duration(0), 0
	if err == nil {
		got, refused, err = comeBack(ctx, a.MQTT.String(), doors)
	}
	if err := errors.Join(err, a.Close(ctx)); err != nil {
		return nil, err
	}
	return []Row{
		{
			fmt.Sprintf(
				"%d readers come back at once: until the last has its first decision (%d refused connections)",
				len(doors),
				refused,
			),
			micro(got),
			"the same at a bare broker " + micro(floor),
			float64(got) / float64(floor),
			"≤ 1 s, none refused",
		},
	}, nil
}

// startWith runs a whole service with a network, for clients with passwords.
func (e *env) startWith(ctx context.Context, n *catalogue.Network) (*app.App, error) {
	dir, err := e.dir("reconnect")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	file := filepath.Join(dir, "catalogue.yaml")
	if err := errors.Join(people.WriteCatalogue(&text, n), os.WriteFile(file, text.Bytes(), 0o600)); err != nil {
		return nil, err
	}
	cfg := app.Config{Data: dir, HTTP: "127.0.0.1:0", MQTTListen: "127.0.0.1:0", AdminToken: "bench-admin-token-bench",
		Catalogue: file}
	return app.Start(ctx, cfg, app.Options{Log: e.log})
}

// secrets gives each reader its password.
func secrets(ctx context.Context, a *app.App, doors []returning) error {
	for i := range doors {
		url := fmt.Sprintf("http://%s/v1/devices/%s/secret", a.HTTP, doors[i].device.ID)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+a.Admin)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(res.Body)
		var answer struct{ Password string }
		if err := errors.Join(err, res.Body.Close(), json.Unmarshal(text, &answer)); err != nil || answer.Password == "" {
			return fmt.Errorf("secret of %s: %s %w", doors[i].device.ID, res.Status, err)
		}
		doors[i].password = answer.Password
	}
	return nil
}

// comeBack has all readers connect at once, several times. It returns the median of the
// times until the last was served, and how many connections were refused in all.
func comeBack(ctx context.Context, addr string, doors []returning) (took time.Duration, refused int, err error) {
	var times []time.Duration
	for range returns {
		time.Sleep(settle)
		began := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var clients []*mqttclient.Client
		var errs []error
		for i := range doors {
			wg.Go(func() {
				for {
					c, err := doors[i].serve(ctx, addr)
					mu.Lock()
					again := err != nil && ctx.Err() == nil && time.Since(began) < time.Minute
					switch {
					case err == nil:
						clients = append(clients, c)
					case again:
						refused++
					default:
						errs = append(errs, err)
					}
					mu.Unlock()
					if !again {
						return
					}
					time.Sleep(tryAgain)
				}
			})
		}
		wg.Wait()
		times = append(times, time.Since(began))
		for _, c := range clients {
			c.Cut() // as a power cut does
		}
		if len(errs) > 0 {
			return 0, refused, fmt.Errorf("%d readers were not served, the first: %w", len(errs), errs[0])
		}
	}
	slices.Sort(times)
	return times[len(times)/2], refused, nil
}

// serve connects a reader as its firmware does (its subscriptions, its status, its will),
// shows it a badge, and waits for the decision.
func (r *returning) serve(ctx context.Context, addr string) (c *mqttclient.Client, err error) {
	topic := func(what wire.What) string {
		return wire.Topic{Site: r.device.Site, Device: r.device.ID, What: what}.String()
	}
	c, err = mqttclient.DialOptions(ctx, addr, mqttclient.Options{
		Username: string(r.device.ID), ClientID: string(r.device.ID), Password: r.password, Window: 10,
		WillTopic: topic(wire.Status), Will: []byte(`{"online":false}`),
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Cut()
		}
	}()
	answered := make(chan struct{}, 1)
	for _, what := range []wire.What{wire.Decision, wire.Command, wire.Allowlist} {
		if err := c.Subscribe(ctx, topic(what), func(_ string, _ []byte) {
			if what == wire.Decision {
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		}); err != nil {
			return nil, err
		}
	}
	status := fmt.Appendf(nil, `{"id":"%s","at":"%s","online":true}`, uuid.New(), wire.FormatTime(time.Now()))
	err = errors.Join(c.PublishRetained(topic(wire.Status), status), c.Publish(topic(wire.Badge), badge(uuid.New())))
	if err != nil {
		return nil, err
	}
	select {
	case <-answered:
		return c, nil
	case <-c.Done():
		return nil, c.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
