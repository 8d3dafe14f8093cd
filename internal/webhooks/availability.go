package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

// lookEvery is how often availability is compared with what was told of it. A
// change that is over within that time is not told.
const lookEvery = time.Second

// AvailabilityStore keeps what was told of each space.
type AvailabilityStore interface {
	Webhooks(ctx context.Context) ([]Webhook, error)
	// ToldAvailability returns, for a webhook, the newest event about each space that
	// was not given up.
	ToldAvailability(ctx context.Context, w Webhook) (map[string][]byte, error)
	// QueueAvailability queues events for a webhook, each in place of one about the
	// same space that was not tried yet.
	QueueAvailability(ctx context.Context, w Webhook, events []Event) error
}

// Availability queues an event whenever what a display sees of a space has changed, for each
// webhook that asks for this topic.
type Availability struct {
	Store AvailabilityStore
	Now   func() time.Time
	Log   *slog.Logger
	// Current returns every space's present state.
	Current func() []occupancy.SpaceAvailability
}

// Run compares and queues until ctx ends.
func (f *Availability) Run(ctx context.Context) {
	told := map[string]*toldSpaces{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := f.look(ctx, told); err != nil && ctx.Err() == nil {
			f.Log.Error("webhooks: availability not queued; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// toldSpaces is what was queued about spaces for one webhook. It is loaded again when the webhook
// changes (queue, as).
type toldSpaces struct {
	queue string
	as    int64                                             // Webhook.Told
	seen  map[catalogue.SpaceID]occupancy.SpaceAvailability // as it was compared last
	told  map[string][]byte                                 // the essence of what was told
}

func (f *Availability) look(ctx context.Context, told map[string]*toldSpaces) error {
	all, err := f.Store.Webhooks(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for i := range all {
		w := &all[i]
		if w.Off || !slices.Contains(w.Topics, OfAvailability) {
			continue
		}
		there[w.ID] = true
		if have := told[w.ID]; have == nil || have.queue != w.Queue || have.as != w.Told {
			data, err := f.Store.ToldAvailability(ctx, *w)
			if err != nil {
				return err
			}
			told[w.ID] = &toldSpaces{w.Queue, w.Told, map[catalogue.SpaceID]occupancy.SpaceAvailability{}, essences(data)}
		}
		if err := f.tell(ctx, w, told[w.ID]); err != nil {
			return err
		}
	}
	maps.DeleteFunc(told, func(id string, _ *toldSpaces) bool { return !there[id] })
	return nil
}

// essence returns the part of a space's availability whose change is an event. It leaves
// out updated_at, which changes with every message, and since, which changes when the
// service restarts. It returns nil if data is not JSON.
func essence(data []byte) []byte {
	var fields map[string]any
	if json.Unmarshal(data, &fields) != nil {
		return nil
	}
	delete(fields, "updated_at")
	delete(fields, "since")
	b, _ := json.Marshal(fields) // it came from JSON
	return b
}

// essences returns those of events.
func essences(bodies map[string][]byte) map[string][]byte {
	out := make(map[string][]byte, len(bodies))
	for space, body := range bodies {
		var e struct{ Data json.RawMessage }
		if json.Unmarshal(body, &e) == nil {
			out[space] = essence(e.Data)
		}
	}
	return out
}

func (f *Availability) tell(ctx context.Context, w *Webhook, told *toldSpaces) error {
	var events []Event
	changed := map[catalogue.SpaceID]occupancy.SpaceAvailability{}
	for _, a := range f.Current() {
		if before, ok := told.seen[a.Space]; ok && before == a || !w.Wants(OfAvailability, a.Site) {
			continue
		}
		changed[a.Space] = a
		view, ok := a.ForDisplay()
		if !ok {
			continue
		}
		data, err := json.Marshal(view)
		if err != nil {
			return err
		}
		if bytes.Equal(told.told[string(a.Space)], essence(data)) {
			continue
		}
		events = append(events, Event{
			Type: AvailabilityChanged, Topic: OfAvailability, Site: a.Site, About: string(a.Space),
			At: f.Now(), Data: json.RawMessage(data),
		})
	}
	if len(events) > 0 {
		if err := f.Store.QueueAvailability(ctx, *w, events); err != nil {
			return err
		}
	}
	maps.Copy(told.seen, changed)
	for _, e := range events {
		told.told[e.About] = essence(e.Data.(json.RawMessage))
	}
	return nil
}
