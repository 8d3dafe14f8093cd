package api

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/wire"
)

const tagCatalogue = "Catalogue"

// SiteFilter asks for one site alone.
type SiteFilter struct {
	Paging
	Site string `query:"site" doc:"Only of this site."`
}

// AtFilter asks for the catalogue of another time.
type AtFilter struct {
	SiteFilter
	At time.Time `query:"at" doc:"The catalogue of this instant; default: the current one."`
}

type spaceFilter struct {
	AtFilter
	Kind string `query:"kind" doc:"Only of this kind."`
}

// networkAt returns the catalogue of an instant; zero: the current one.
func (s *server) networkAt(t time.Time) *catalogue.Network {
	if t.IsZero() || t.After(s.cfg.Now()) {
		return s.cfg.Network
	}
	return catalogue.At(s.cfg.Recorded, t)
}

// checkSite refuses a site that no catalogue ever had.
func (s *server) checkSite(id string) error {
	if id != "" && s.ever.Site(catalogue.SiteID(id)) == nil {
		return invalid("query", "site", "the catalogue has no such site")
	}
	return nil
}

func checkKind(kind string) error {
	if kind != "" && !catalogue.SpaceKind(kind).Valid() {
		return invalid("query", "kind", "is not a kind of space")
	}
	return nil
}

// deviceState is a device with its current state.
type deviceState struct {
	catalogue.Device
	LastSeenAt *catalogue.Instant `json:"last_seen_at"`
	Status     *status            `json:"status"`
	Command    *commandView       `json:"command" doc:"The last command that Totem sent to it since Totem started, and its confirmation; null: none."`
	Air        *airView           `json:"air" doc:"Its last air measurements; null: none."`
	// NotUnderstood is set for a real device whose messages arrive, but hold
	// nothing that its kind is there for.
	NotUnderstood *notUnderstood `json:"not_understood" doc:"Messages that arrive from the device while none is understood; null: no such messages."`
}

// airView is what a device last measured of the air.
type airView struct {
	At          catalogue.Instant `json:"at" format:"date-time"`
	CO2         *float64          `json:"co2_ppm"`
	Temperature *float64          `json:"temperature_c"`
	Humidity    *float64          `json:"humidity_pct"`
	Noise       *float64          `json:"noise_db"`
}

// notUnderstood describes messages of a device of which none is understood.
type notUnderstood struct {
	Count   int64             `json:"count"`
	LastAt  catalogue.Instant `json:"last_at" format:"date-time"`
	Topic   string            `json:"topic"`
	Payload string            `json:"last_payload"`
}

// status is a device's last status.
type status struct {
	Online    *bool              `json:"online"`
	At        *catalogue.Instant `json:"at"`
	Firmware  *string            `json:"firmware"`
	Battery   *float64           `json:"battery_pct"`
	RSSI      *float64           `json:"rssi_dbm"`
	Uptime    *float64           `json:"uptime_s"`
	List      *string            `json:"list" doc:"Version of the allowlist that a reader has applied."`
	ListSince *catalogue.Instant `json:"list_since"`
	Keys      []string           `json:"keys" nullable:"false" doc:"Ids of the site keys that the reader verifies with. The next key signs once all readers of the site know it."`
}

// commandView is the last command that a reader was sent, and its confirmation.
type commandView struct {
	Kind        wire.CommandKind   `json:"kind" enum:"unlock,lockdown,release"`
	OpenSeconds int                `json:"open_seconds"`
	SentAt      catalogue.Instant  `json:"sent_at"`
	ConfirmedAt *catalogue.Instant `json:"confirmed_at" doc:"When the reader's status first reported that it obeyed; null: not yet."`
	Confirms    bool               `json:"confirms" doc:"Whether the reader can confirm commands: one that speaks its maker's own messages cannot."`
}

// siteKey is the public key of a site.
type siteKey struct {
	ID        string `json:"id"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key" doc:"Unpadded base64url."`
}

// planOut is the answer with a building's floor plan, an SVG drawing.
type planOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// IDPath holds the {id} of a path that names one record.
type IDPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *server) catalogue() {
	n := s.cfg.Network
	all := []Role{Admin, Manager, Billing, Tenant, Display}
	list(s,
		"/v1/sites",
		"The sites.",
		all,
		func(n *catalogue.Network) []catalogue.Site { return n.Sites },
		func(v catalogue.Site) string { return string(v.ID) },
		func(v catalogue.Site) (catalogue.SiteID, string) { return v.ID, "" },
	)
	list(s,
		"/v1/buildings",
		"The buildings.",
		all,
		func(n *catalogue.Network) []catalogue.Building { return n.Buildings },
		func(v catalogue.Building) string { return string(v.ID) },
		func(v catalogue.Building) (catalogue.SiteID, string) { return v.Site, "" },
	)
	list(s,
		"/v1/spaces",
		"The spaces: a tree, each naming the parent one crosses to reach it. Rents are for admin, manager and billing.",
		all,
		func(n *catalogue.Network) []catalogue.Space { return n.Spaces },
		func(v catalogue.Space) string { return string(v.ID) },
		func(v catalogue.Space) (catalogue.SiteID, string) { return v.Site, string(v.Kind) },
		func(ctx context.Context, at time.Time) (func(*catalogue.Space), error) {
			if c := callerOf(ctx); c.role == Tenant || c.role == Display {
				return func(v *catalogue.Space) { v.RentCents = 0 }, nil
			}
			rents, err := s.rents(ctx)
			day := s.today()
			if !at.IsZero() {
				day = s.networkAt(at).Zone.At(at).Day
			}
			return func(v *catalogue.Space) { v.RentCents = int(rents.On(s.cfg.Network.PresentName(v.ID), day)) }, err
		},
	)
	list(s,
		"/v1/doors",
		"The doors.",
		[]Role{Admin, Manager},
		func(n *catalogue.Network) []catalogue.Door { return n.Doors },
		func(v catalogue.Door) string { return string(v.ID) },
		func(v catalogue.Door) (catalogue.SiteID, string) { return v.Site, "" },
	)
	huma.Register(s.api,
		file(
			operation(
				"GET",
				"/v1/buildings/{id}/plan",
				tagCatalogue,
				"A building's plan, where the catalogue brings one: an SVG drawing whose ids are spaces.",
				all...),
			"image/svg+xml",
		),
		func(ctx context.Context, in *IDPath) (*planOut, error) {
			b := n.Building(catalogue.BuildingID(in.ID))
			if b == nil || !callerOf(ctx).reaches(b.Site) {
				return nil, notFound("building " + in.ID)
			}
			svg, err := s.cfg.Ledger.Plan(ctx, b.ID)
			if err != nil {
				return nil, s.fail(err)
			}
			return &planOut{"image/svg+xml", []byte(svg)}, nil
		},
	)
	huma.Register(s.api,
		operation("GET", "/v1/devices", tagCatalogue, "The devices, with what they last said of themselves.", Admin, Manager),
		func(ctx context.Context, in *AtFilter) (*pageOut[deviceState], error) {
			if err := s.checkSite(in.Site); err != nil {
				return nil, err
			}
			c := callerOf(ctx)
			known := s.cfg.Live.Devices()
			var list []deviceState
			for _, d := range s.networkAt(in.At).Devices {
				switch {
				case !c.reaches(d.Site) || in.Site != "" && string(d.Site) != in.Site:
				case in.At.IsZero():
					list = append(list, s.showDevice(d, known))
				default: // what it last said belongs to now, not to another time
					list = append(list, deviceState{Device: d})
				}
			}
			slices.SortFunc(list, func(a, b deviceState) int { return strings.Compare(string(a.ID), string(b.ID)) })
			return pageByID(in.Paging, slices.Values(list), func(d deviceState) string { return string(d.ID) })
		},
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/sites/{id}/key",
			tagCatalogue,
			"The public key that the site's decisions, commands and allowlists are signed with.",
			all...),
		func(_ context.Context, in *IDPath) (*one[siteKey], error) {
			key, ok := s.cfg.Keys.Site(catalogue.SiteID(in.ID))
			if !ok || n.Site(catalogue.SiteID(in.ID)) == nil {
				return nil, notFound("site " + in.ID)
			}
			return &one[siteKey]{siteKey{key.ID, "Ed25519", base64.RawURLEncoding.EncodeToString(key.Public())}}, nil
		},
	)
}

// showDevice returns a device with its current state.
func (s *server) showDevice(d catalogue.Device, known map[catalogue.DeviceID]live.Device) deviceState {
	out := withStatus(d, known[d.ID])
	if sent, ok := s.cfg.Doors.Sent(d.ID); ok {
		out.Command = &commandView{
			Kind:        sent.Kind,
			OpenSeconds: int(sent.Open.Seconds()),
			SentAt:      instant(sent.At),
			Confirms:    sent.ID != uuid.Nil,
		}
		if l := known[d.ID]; sent.ID != uuid.Nil && l.Obeyed == sent.ID {
			out.Command.ConfirmedAt = instantOrNil(&l.ObeyedAt)
		}
	}
	if r, ok := s.cfg.NotUnderstood()[d.ID]; ok {
		out.NotUnderstood = &notUnderstood{r.Count, instant(r.Last), r.Topic, printable(r.Body)}
	}
	return out
}

func withStatus(d catalogue.Device, l live.Device) deviceState {
	out := deviceState{Device: d}
	if a := l.Air; a != nil {
		out.Air = &airView{instant(a.At), a.CO2, a.Temperature, a.Humidity, a.Noise}
	}
	if !l.LastSeenAt.IsZero() {
		out.LastSeenAt = &catalogue.Instant{Time: l.LastSeenAt}
	}
	if !l.StatusAt.IsZero() {
		out.Status = &status{
			Online:   l.Online,
			At:       &catalogue.Instant{Time: l.StatusAt},
			Firmware: l.Firmware,
			Battery:  l.Battery,
			RSSI:     l.RSSI,
			Uptime:   l.Uptime,
			List:     l.List,
			Keys:     slices.Concat([]string{}, l.Keys),
		}
		if l.List != nil {
			out.Status.ListSince = &catalogue.Instant{Time: l.ListSince}
		}
	}
	return out
}

// list registers a list of the catalogue, filtered by site and kind. shown
// adapts each item to who asks and for when.
func list[T any](
	s *server,
	path, summary string,
	roles []Role,
	all func(*catalogue.Network) []T,
	id func(T) string,
	of func(T) (catalogue.SiteID, string),
	shown ...func(ctx context.Context, at time.Time) (func(*T), error),
) {
	byID := func(n *catalogue.Network) []T {
		return slices.SortedFunc(slices.Values(all(n)), func(a, b T) int { return strings.Compare(id(a), id(b)) })
	}
	present := byID(s.cfg.Network)
	huma.Register(s.api, operation("GET", path, tagCatalogue, summary, roles...),
		func(ctx context.Context, in *spaceFilter) (*pageOut[T], error) {
			if err := s.checkSite(in.Site); err != nil {
				return nil, err
			}
			if err := checkKind(in.Kind); err != nil {
				return nil, err
			}
			sorted := present
			if !in.At.IsZero() {
				sorted = byID(s.networkAt(in.At))
			}
			var show []func(*T)
			for _, f := range shown {
				each, err := f(ctx, in.At)
				if err != nil {
					return nil, s.fail(err)
				}
				show = append(show, each)
			}
			c := callerOf(ctx)
			return pageByID(in.Paging, convert(only(slices.Values(sorted), func(v T) bool {
				site, kind := of(v)
				return c.reaches(site) && (in.Site == "" || string(site) == in.Site) && (in.Kind == "" || kind == in.Kind)
			}), func(v T) T {
				for _, f := range show {
					f(&v)
				}
				return v
			}), id)
		},
	)
}
