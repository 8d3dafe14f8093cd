package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// heartbeat keeps a quiet stream's connection alive.
	heartbeat = 15 * time.Second
	// streamPatience is how long a client of a stream may take to read what is
	// written. A client that does not read costs memory, so its stream ends.
	streamPatience = 10 * time.Second
)

// events writes server-sent events to one client, until it goes, stops reading,
// or its token ends.
type events struct {
	ctx     context.Context
	w       interface{ Write([]byte) (int, error) }
	control *http.ResponseController
	tick    *time.Ticker
	err     error
	// for clients that cannot see comments, as a browser's EventSource
	beats bool
	may   func() bool // whether the token is still the one that the client came with
}

// newEvents begins a stream; end must be called when it is over.
func (s *server) newEvents(hc huma.Context, c *caller) (e *events, end func()) {
	hc.SetHeader("Content-Type", "text/event-stream")
	hc.SetHeader("X-Accel-Buffering", "no")
	ctx, release := s.auth.during(hc.Context(), c)
	e = &events{ctx: ctx, w: hc.BodyWriter(), tick: time.NewTicker(heartbeat)}
	e.may = func() bool { return s.auth.still(ctx, c) }
	if rw, ok := hc.BodyWriter().(http.ResponseWriter); ok {
		e.control = http.NewResponseController(rw)
	}
	e.patience()
	return e, func() { e.tick.Stop(); release() }
}

// follow writes events until the stream is over.
func follow[T any](e *events, in <-chan T, write func(T)) {
	for e.flush() {
		select {
		case <-e.ctx.Done():
			return
		case v, ok := <-in:
			if !ok {
				return
			}
			e.patience()
			write(v)
		case <-e.tick.C:
			if !e.may() { // a command on the data folder has replaced the token
				return
			}
			e.patience()
			if e.beats {
				e.write("event: beat\ndata: {}\n\n")
			} else {
				e.comment("heartbeat")
			}
		}
	}
}

// patience gives the client its time to read what is written now.
func (e *events) patience() {
	if e.control != nil {
		_ = e.control.SetWriteDeadline(time.Now().Add(streamPatience))
	}
}

func (e *events) write(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *events) event(id string, v any) { e.encoded(id, mustJSON(v)) }

func (e *events) encoded(id string, data []byte) {
	if id != "" {
		e.write("id: %s\n", id)
	}
	e.write("data: %s\n\n", data)
}

func (e *events) comment(text string) { e.write(": %s\n\n", text) }

// flush sends what was written and reports whether the client is still there.
func (e *events) flush() bool {
	if e.err == nil && e.control != nil {
		e.err = e.control.Flush()
	}
	return e.err == nil
}
