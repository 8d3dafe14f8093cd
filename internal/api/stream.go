package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/occupancy"
)

// firstReads is how many of the newest reads a client gets at first.
const firstReads = 50

type pageStreamIn struct {
	Topics      []live.Topic `query:"topics" doc:"Any of availability, reads, alarms, devices; default: all that the role may see."`
	LastEventID string       `header:"Last-Event-ID"`
	LastID      string       `query:"last_event_id" doc:"For clients that cannot set the header."`
}

func (s *server) streams() {
	op := operation(
		"GET",
		"/v1/stream",
		tagLive,
		"Changes as server-sent events: the event is the topic, the data is the item as its GET answers it; resumes with Last-Event-ID.",
		Admin,
		Manager,
		Billing,
		Tenant,
		Display,
	)
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "event: the topic, data: the item.",
			Content:     map[string]*huma.MediaType{"text/event-stream": {}},
		},
	}
	huma.Register(s.api, op, s.pageStream)
}

// topicsOf returns the topics that a role may see.
func topicsOf(r Role) []live.Topic {
	if r == Admin || r == Manager {
		return live.Topics()
	}
	return []live.Topic{live.TopicAvailability}
}

// line is one event as it is written to one client.
type line struct {
	id    string
	topic live.Topic
	data  []byte
}

func (s *server) pageStream(ctx context.Context, in *pageStreamIn) (*huma.StreamResponse, error) {
	c := callerOf(ctx)
	topics := topicsOf(c.role)
	if len(in.Topics) > 0 {
		for _, t := range in.Topics {
			if !slices.Contains(live.Topics(), t) {
				return nil, invalid("query", "topics", "must be any of availability, reads, alarms, devices")
			}
		}
		topics = slices.DeleteFunc(topics, func(t live.Topic) bool { return !slices.Contains(in.Topics, t) })
		if len(topics) == 0 {
			return nil, problem(http.StatusForbidden, "the role "+string(c.role)+" may not see these topics")
		}
	}
	last := in.LastEventID
	if last == "" {
		last = in.LastID
	}
	if slices.Contains(topics, live.TopicReads) {
		if err := s.lookAtList(ctx, "reads", "stream"); err != nil {
			return nil, s.fail(err)
		}
	}
	see, err := s.viewFor(ctx, &AvailabilityIn{})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		sub := s.cfg.Live.Subscribe(last, topics...)
		defer sub.Cancel()
		out, end := s.newEvents(hc, c)
		defer end()
		out.beats = true
		var lines []line
		for _, e := range sub.Replay {
			if l, ok := s.lineOf(c, e, see); ok {
				lines = append(lines, l)
			}
		}
		if !sub.Resumed {
			lines = append(lines, s.firstAnswer(ctx, c, topics)...)
			for i := range lines { // if the stream breaks here, the client must not resume after something that was never sent
				lines[i].id = ""
			}
			if n := len(lines); n > 0 {
				lines[n-1].id = sub.ID
			}
		}
		for _, l := range lines {
			out.line(l)
		}
		out.comment("ready")
		said := map[catalogue.SpaceID]string{} // a change that a display may not see is not sent
		follow(out, sub.Events, func(e *live.Event) {
			l, ok := s.lineOf(c, e, see)
			if ok && e.Topic == live.TopicAvailability {
				ok = said[e.Availability.Space] != string(l.data)
				said[e.Availability.Space] = string(l.data)
			}
			if ok {
				out.line(l)
			}
		})
	}}, nil
}

func (e *events) line(l line) {
	e.write("event: %s\n", l.topic)
	e.encoded(l.id, l.data)
}

// lineOf writes an event for a caller; false where the caller may not see it.
func (s *server) lineOf(c *caller, e *live.Event, see func(occupancy.SpaceAvailability) []byte) (line, bool) {
	l := line{id: e.ID, topic: e.Topic}
	switch e.Topic {
	case live.TopicAvailability:
		l.data = see(e.Availability)
	case live.TopicReads:
		if d := s.ever.Door(e.Read.Door); d != nil && c.reaches(d.Site) {
			l.data = mustJSON(showRead(e.Read))
		}
	case live.TopicAlarms:
		if c.scope() == nil || c.reaches(e.Alarm.Site) {
			l.data = mustJSON(showAlarm(e.Alarm))
		}
	case live.TopicDevices:
		if d := s.cfg.Network.Device(e.Device); d != nil && c.reaches(d.Site) {
			l.data = mustJSON(s.showDevice(*d, s.cfg.Live.Devices()))
		}
	}
	return l, l.data != nil
}

// firstAnswer returns what a client gets at first besides the spaces: the
// newest reads, the alarms that stand, the devices.
func (s *server) firstAnswer(ctx context.Context, c *caller, topics []live.Topic) []line {
	var lines []line
	add := func(topic live.Topic, v any) { lines = append(lines, line{topic: topic, data: mustJSON(v)}) }
	if slices.Contains(topics, live.TopicReads) {
		f := ledger.ReadFilter{Doors: s.doorsOf(c), Newest: true, Limit: firstReads}
		reads, err := s.cfg.Ledger.Reads(ctx, f)
		if err != nil {
			s.cfg.Log.Error("a stream begins without the newest reads", "error", err)
		}
		for _, r := range slices.Backward(reads) {
			add(live.TopicReads, showRead(r))
		}
	}
	if slices.Contains(topics, live.TopicAlarms) {
		alarms, err := s.cfg.Ledger.Alarms(ctx, ledger.AlarmFilter{Sites: c.scope(), OpenOnly: true, Limit: 1000})
		if err != nil {
			s.cfg.Log.Error("a stream begins without the alarms that stand", "error", err)
		}
		for _, a := range slices.Backward(alarms) {
			add(live.TopicAlarms, showAlarm(a))
		}
	}
	if slices.Contains(topics, live.TopicDevices) {
		known := s.cfg.Live.Devices()
		for _, d := range s.cfg.Network.Devices {
			if c.reaches(d.Site) {
				add(live.TopicDevices, s.showDevice(d, known))
			}
		}
	}
	return lines
}

// doorsOf returns the doors that a caller limited to sites may see; nil: all.
func (s *server) doorsOf(c *caller) []catalogue.DoorID {
	if !c.bound() {
		return nil
	}
	doors := []catalogue.DoorID{}
	for _, d := range s.ever.Doors {
		if c.reaches(d.Site) {
			doors = append(doors, d.ID)
		}
	}
	return doors
}
