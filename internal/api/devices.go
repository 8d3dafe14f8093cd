package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/wire"
)

// unknownDevice is a topic on which a device publishes that is not in the
// catalogue, with suggested catalogue lines.
type unknownDevice struct {
	Topic     string            `json:"topic"`
	Adapter   *string           `json:"adapter" doc:"Null: it speaks Totem's own messages."`
	Address   *string           `json:"address"`
	Count     int64             `json:"count" doc:"Messages of the last month."`
	FirstSeen catalogue.Instant `json:"first_seen_at"`
	LastSeen  catalogue.Instant `json:"last_seen_at"`
	Payload   string            `json:"last_payload"`
	Encoding  string            `json:"encoding" enum:"text,base64"`
	// Catalogue holds a line for each kind of device that could send this.
	Catalogue []string `json:"catalogue" nullable:"false" doc:"Suggested lines for the catalogue: take the one that fits and fill in the place."`
}

func (s *server) devices() {
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/devices/unknown",
			tagCatalogue,
			"Devices that publish and are not in the catalogue, with their last payloads.",
			Admin,
			Manager,
		),
		s.unknown,
	)
	op := operation(
		"GET",
		"/v1/devices/watch",
		tagCatalogue,
		"What arrives on the broker and from whom, decoded, and what is rejected and why, as server-sent events.",
		Admin,
		Manager,
	)
	op.Responses = map[string]*huma.Response{
		"200": {Description: "Each event is a message.", Content: map[string]*huma.MediaType{"text/event-stream": {}}},
	}
	huma.Register(s.api, op, s.watch)
}

func (s *server) unknown(ctx context.Context, in *Paging) (*pageOut[unknownDevice], error) {
	parts, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	after := ""
	if parts != nil {
		after = parts[0]
	}
	list, err := s.cfg.Ledger.Unknowns(ctx, ingest.RejectUnknownDevice, s.ownTopics(ctx), after, in.Limit+1)
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOf(in.Limit, list, s.showUnknown, func(u ledger.Unknown) []string { return []string{u.Topic} }), nil
}

// ownTopics returns the topic prefixes that a caller may watch; nil: all.
func (s *server) ownTopics(ctx context.Context) []string {
	scope := callerOf(ctx).scope()
	if scope == nil {
		return nil
	}
	topics := []string{}
	for _, site := range scope {
		topics = append(topics, wire.Prefix+"/"+string(site)+"/")
	}
	return topics
}

func (s *server) showUnknown(u ledger.Unknown) unknownDevice {
	r := showReject(ingest.Reject{Payload: u.Payload})
	out := unknownDevice{
		Topic:     u.Topic,
		Count:     u.Count,
		FirstSeen: instant(u.First),
		LastSeen:  instant(u.Last),
		Payload:   r.Payload,
		Encoding:  r.Encoding,
		Catalogue: []string{},
	}
	if t, err := wire.ParseUp(u.Topic); err == nil {
		out.Catalogue = append(out.Catalogue, entriesFor(t)...)
		return out
	}
	found, ok := s.cfg.Foreign.Find(u.Topic)
	if !ok || found.Address == "" {
		return out
	}
	out.Adapter, out.Address = &found.Adapter, &found.Address
	for _, k := range foreign.KindsOf(found.Adapter, found.Address, u.Topic, u.Payload, u.Last) {
		out.Catalogue = append(out.Catalogue,
			entry(slugOf(found.Address), "SITE", k, fmt.Sprintf(", adapter: %s, address: %q", found.Adapter, found.Address)),
		)
	}
	return out
}

// entriesFor suggests a line of the catalogue for each kind of device that
// sends such messages.
func entriesFor(t wire.Topic) (lines []string) {
	for _, k := range catalogue.DeviceKinds() {
		if t.What != wire.Status && t.What != wire.Air && wire.CanSend(k, t.What) ||
			k == catalogue.Air && t.What == wire.Air {
			lines = append(lines, entry(string(t.Device), string(t.Site), k, ""))
		}
	}
	return lines
}

// entry returns a line of the catalogue; what only a person can know stands in
// capitals.
func entry(id, site string, k catalogue.DeviceKind, more string) string {
	place := "space: SPACE"
	switch {
	case k == catalogue.Reader:
		place = "door: DOOR, direction: in"
	case k.OnDoor():
		place = "door: DOOR"
	}
	return fmt.Sprintf("- {id: %s, site: %s, kind: %s, %s%s}", id, site, k, place, more)
}

// slugOf makes an id from an address.
func slugOf(address string) string {
	s := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(address))
	s = strings.Join(slices.DeleteFunc(strings.Split(s, "-"), func(p string) bool { return p == "" }), "-")
	if len(s) > 60 {
		s = s[len(s)-60:]
	}
	if s = strings.Trim(s, "-"); s == "" {
		return "DEVICE"
	}
	return s
}

// arrival is a message as the watch shows it.
type arrival struct {
	At      catalogue.Instant   `json:"at"`
	Topic   string              `json:"topic"`
	From    *string             `json:"from"`
	Device  *catalogue.DeviceID `json:"device"`
	Adapter *string             `json:"adapter"`
	What    *wire.What          `json:"what"`
	Said    *catalogue.Instant  `json:"said_at"`
	Values  *ingest.Values      `json:"values"`
	Granted *bool               `json:"granted"`
	Outcome ingest.Outcome      `json:"outcome"`
	Reason  *string             `json:"reason"`
	Payload *string             `json:"payload"`
}

func showArrival(a ingest.Arrival) arrival {
	out := arrival{
		At:      instant(a.At),
		Topic:   a.Topic,
		From:    orNil(a.From),
		Device:  orNil(a.Device),
		Adapter: orNil(a.Adapter),
		What:    orNil(a.What),
		Said:    instantOrNil(&a.Said),
		Values:  a.Values,
		Granted: a.Granted,
		Outcome: a.Outcome,
		Reason:  orNil(a.Reason),
	}
	if a.Payload != nil {
		text := printable(a.Payload)
		out.Payload = &text
	}
	return out
}

// printable returns a payload as text: unchanged where it is UTF-8, otherwise quoted with its bytes escaped.
func printable(payload []byte) string {
	if utf8.Valid(payload) {
		return string(payload)
	}
	return fmt.Sprintf("%q", payload)
}

type watchIn struct {
	Device   string `query:"device" doc:"Only of this device."`
	Rejected bool   `query:"rejected" doc:"Only what is rejected."`
}

func (s *server) watch(ctx context.Context, in *watchIn) (*huma.StreamResponse, error) {
	c := callerOf(ctx)
	if d := s.cfg.Network.Device(catalogue.DeviceID(in.Device)); in.Device != "" && (d == nil || !c.reaches(d.Site)) {
		return nil, invalid("query", "device", "the catalogue has no such device at this token's sites")
	}
	own := s.ownTopics(ctx)
	mine := func(a ingest.Arrival) bool {
		if own != nil && !c.reaches(a.Site) &&
			!slices.ContainsFunc(own, func(p string) bool { return strings.HasPrefix(a.Topic, p) }) {
			return false
		}
		return (in.Device == "" || string(a.Device) == in.Device) && (!in.Rejected || a.Outcome == ingest.OutcomeRejected)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		arrivals, cancel := s.cfg.Watch()
		defer cancel()
		out, end := s.newEvents(hc, c)
		defer end()
		out.comment("ready")
		follow(out, arrivals, func(a ingest.Arrival) {
			if mine(a) {
				out.event("", showArrival(a))
			}
		})
	}}, nil
}
