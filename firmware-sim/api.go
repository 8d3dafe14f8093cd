package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// secret is the API's answer for a device's new secret.
type secret struct {
	Username string `json:"username"`
	Password string `json:"password"`
	SiteKey  string `json:"site_key"`
	ListKey  string `json:"list_key"`
}

// fetch asks the API for a new secret for every site's gateway, and for the
// keys.
func (l *links) fetch(ctx context.Context, w *people.World) error {
	for _, site := range l.sites {
		var gateway catalogue.DeviceID
		for _, d := range w.Network.Devices {
			if d.Kind == catalogue.Gateway && d.Site == site {
				gateway = d.ID
			}
		}
		if gateway == "" {
			return fmt.Errorf("site %s has no gateway in the catalogue", site)
		}
		var s secret
		if err := l.air.call(ctx, http.MethodPost, "/v1/devices/"+string(gateway)+"/secret", nil, &s); err != nil {
			return err
		}
		key, err1 := base64.RawURLEncoding.DecodeString(s.SiteKey)
		list, err2 := base64.RawURLEncoding.DecodeString(s.ListKey)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("keys of %s: %w", gateway, err)
		}
		l.secrets[site], l.keys[site], l.listKey = s, key, list
	}
	return nil
}

// call sends a request to the API. A problem (RFC 9457) becomes an error with
// its text.
func (s *service) call(ctx context.Context, method, path string, body, answer any) error {
	if s.API == "" || s.Token == "" {
		return errors.New("--api and --token are needed for this")
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.API, "/")+path, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("--api: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Content-Type", "application/json")
	if s.client == nil {
		transport, err := s.transport()
		if err != nil {
			return err
		}
		s.client = &http.Client{Transport: transport}
	}
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("--api: %w", err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, got)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got, answer)
}

type peopleCmd struct {
	world
	service
}

// put is one record to send to the API: its path and its body.
type put struct {
	path string
	body any
}

func (c *peopleCmd) Run(ctx context.Context, _ *slog.Logger) error {
	w, err := c.load(time.Now())
	if err != nil {
		return err
	}
	puts := entities(w)
	bar := progress.New(os.Stderr, len(puts), "creating tenants and members")
	defer bar.Finish()
	for i, p := range puts {
		if err := c.call(ctx, http.MethodPut, p.path, p.body, nil); err != nil {
			return err
		}
		bar.Set(i + 1)
	}
	_, err = fmt.Fprintf(os.Stdout,
		"Created %d tenants, %d members, %d badges, %d leases.\n",
		len(w.Tenants),
		len(w.Members),
		len(w.Cards),
		len(w.Leases),
	)
	return err
}

// entities lists what is sent to the API, each after the entities that it
// refers to. Passes are left out: the service makes their tokens.
func entities(w *people.World) []put {
	var cards []put
	for _, v := range w.Cards {
		cards = append(cards, put{"/v1/credentials/" + string(v.Credential), map[string]any{
			"id": v.Credential, "member": v.Member, "kind": v.Kind, "status": v.Status,
			"uid": wire.Credential{Bytes: v.UID}.String(), "valid_from": v.ValidFrom, "valid_to": v.ValidTo,
		}})
	}
	return slices.Concat(
		puts("schedules", w.Schedules, func(v tenancy.Schedule) string { return string(v.ID) }),
		puts("plans", w.Plans, func(v tenancy.Plan) string { return string(v.ID) }),
		puts("tenants", w.Tenants, func(v tenancy.Tenant) string { return string(v.ID) }),
		puts("members", w.Members, func(v tenancy.Member) string { return string(v.ID) }),
		cards,
		puts("leases", w.Leases, func(v tenancy.Lease) string { return string(v.ID) }),
		puts("events", w.Events, func(v tenancy.Event) string { return string(v.ID) }),
	)
}

// puts returns the requests that create the records of one kind.
func puts[T any](kind string, list []T, id func(T) string) (out []put) {
	for _, v := range list {
		out = append(out, put{"/v1/" + kind + "/" + id(v), v})
	}
	return out
}
