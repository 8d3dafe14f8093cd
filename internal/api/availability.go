package api

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/occupancy"
)

const (
	tagLive = "Live"
)

// spaceState is one space's availability; few replaces a count that is too
// small to be shown.
type spaceState = occupancy.Public

// AvailabilityIn is a question for availability.
type AvailabilityIn struct {
	Site string `query:"site"`
	Kind string `query:"kind"`
}

type freeIn struct {
	Paging
	AvailabilityIn
}

type streamIn struct {
	AvailabilityIn
	LastEventID string `header:"Last-Event-ID"`
	LastID      string `query:"last_event_id" doc:"For clients that cannot set the header."`
}

// spaces is the answer to a question for availability.
type spaces struct {
	Items []spaceState `json:"items" nullable:"false"`
	Next  *string      `json:"next"`
}

func (s *server) availability() {
	all := []Role{Admin, Manager, Billing, Tenant, Display}
	op := operation("GET", "/v1/availability", tagLive, "What is free now.", all...)
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[spaces](), true, "Availability")
	op.Responses = map[string]*huma.Response{
		"200": {Description: "Every space.", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
	}
	huma.Register(s.api, op, s.writeAvailability)
	op = operation(
		"GET",
		"/v1/availability/stream",
		tagLive,
		"Availability as server-sent events, one for each change; resumes with Last-Event-ID.",
		all...)
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "Each event is a space; its id is for Last-Event-ID.",
			Content:     map[string]*huma.MediaType{"text/event-stream": {}},
		},
	}
	huma.Register(s.api, op, s.stream)
}

// writeAvailability writes each space's availability from its cached encoding, which all
// callers share.
func (s *server) writeAvailability(ctx context.Context, in *freeIn) (*huma.StreamResponse, error) {
	see, err := s.viewFor(ctx, &in.AvailabilityIn)
	if err != nil {
		return nil, err
	}
	after, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	list := s.cfg.Live.Availability()
	if after != nil {
		i := slices.IndexFunc(list, func(a occupancy.SpaceAvailability) bool { return string(a.Space) == after[0] })
		if i < 0 {
			return nil, in.wrongCursor()
		}
		list = list[i+1:]
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		buffer, _ := s.buffers.Get().(*[]byte)
		if buffer == nil {
			buffer = new([]byte)
		}
		b := (*buffer)[:0]
		b = append(b, `{"items":[`...)
		n, last, next := 0, catalogue.SpaceID(""), []byte("null")
		for _, a := range list {
			text := see(a)
			if text == nil {
				continue
			}
			if n == in.Limit {
				next = mustJSON(encodeCursor(string(last)))
				break
			}
			if n > 0 {
				b = append(b, ',')
			}
			n, last = n+1, a.Space
			b = append(b, text...)
		}
		b = append(b, `],"next":`...)
		b = append(append(b, next...), '}')
		hc.SetHeader("Content-Length", strconv.Itoa(len(b))) // one write instead of a dozen chunks
		_, _ = hc.BodyWriter().Write(b)                      // an error here means that the client has gone
		*buffer = b
		s.buffers.Put(buffer)
	}}, nil
}

// encoded is one space's availability as written for callers who may see all of
// it, and for displays (nil: not shown).
type encoded struct {
	a             occupancy.SpaceAvailability
	full, display []byte
}

// encode encodes a space's availability, once for each change.
func (s *server) encode(a occupancy.SpaceAvailability) *encoded {
	if have, ok := s.written.Load(a.Space); ok && have.(*encoded).a == a {
		return have.(*encoded)
	}
	e := &encoded{a: a, full: mustJSON(spaceState{SpaceAvailability: a})}
	if v, ok := a.ForDisplay(); ok {
		e.display = mustJSON(v)
	}
	s.written.Store(a.Space, e)
	return e
}

// viewFor returns a function that returns what is written of a space for a request and its caller. It returns nil where
// the request does not ask for the space, or the caller may not see it.
func (s *server) viewFor(ctx context.Context, in *AvailabilityIn) (func(occupancy.SpaceAvailability) []byte, error) {
	if err := s.checkSite(in.Site); err != nil {
		return nil, err
	}
	if err := checkKind(in.Kind); err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	return func(a occupancy.SpaceAvailability) []byte {
		if in.Site != "" && string(a.Site) != in.Site || in.Kind != "" && string(a.Kind) != in.Kind || !c.reaches(a.Site) {
			return nil
		}
		if c.role == Display {
			return s.encode(a).display
		}
		return s.encode(a).full
	}, nil
}

func (s *server) stream(ctx context.Context, in *streamIn) (*huma.StreamResponse, error) {
	see, err := s.viewFor(ctx, &in.AvailabilityIn)
	if err != nil {
		return nil, err
	}
	last := in.LastEventID
	if last == "" {
		last = in.LastID
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		sub := s.cfg.Live.Subscribe(last, live.TopicAvailability)
		defer sub.Cancel()
		out, end := s.newEvents(hc, callerOf(ctx))
		defer end()
		out.first(sub.Replay, see)
		out.comment("ready")
		said := map[catalogue.SpaceID]string{} // a change that a display may not see is not sent
		follow(out, sub.Events, func(e *live.Event) {
			text := see(e.Availability)
			if text == nil || said[e.Availability.Space] == string(text) {
				return
			}
			said[e.Availability.Space] = string(text)
			out.encoded(e.ID, text)
		})
	}}, nil
}

// first writes what a client of the stream has missed. Changes carry their ids. The events of a whole state have one
// id, and only the last of them carries it: a stream that breaks before that must not resume after events that were
// never sent.
func (e *events) first(replay []*live.Event, see func(occupancy.SpaceAvailability) []byte) {
	var lines []line
	for _, v := range replay {
		if text := see(v.Availability); text != nil {
			lines = append(lines, line{id: v.ID, data: text})
		}
	}
	for i, l := range lines {
		if i+1 < len(lines) && lines[i+1].id == l.id { // the last event of a whole state
			l.id = ""
		}
		e.encoded(l.id, l.data)
	}
}

// mustJSON encodes plain values, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("api: %T cannot be encoded as JSON: %v", v, err))
	}
	return b
}
