package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
)

// followWaits is how long an answer waits for visits and minutes to be made of
// what was committed. Then it is given all the same, and says as of when it holds.
const followWaits = 10 * time.Second

// AsOf is part of every answer that follows what was committed.
type AsOf struct {
	AsOf *catalogue.Instant `json:"as_of,omitempty" format:"date-time" doc:"Only where messages are still being worked on: the received_at up to which this answer holds."`
}

// follow waits until caughtUp has followed what was committed. Where that
// takes too long it returns as of when an answer holds.
func (s *server) follow(ctx context.Context, caughtUp func(context.Context) (time.Time, error)) (AsOf, error) {
	waiting, cancel := context.WithTimeout(ctx, followWaits)
	defer cancel()
	asOf, err := caughtUp(waiting)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return AsOf{}, s.fail(err)
	}
	if err == nil && asOf.IsZero() {
		return AsOf{}, nil
	}
	at := instant(asOf)
	return AsOf{&at}, nil
}

// visitsFollow waits for visits, minutesFollow for the series.
func (s *server) visitsFollow(ctx context.Context) (AsOf, error) {
	return s.follow(ctx, s.cfg.CaughtUp)
}

func (s *server) minutesFollow(ctx context.Context) (AsOf, error) {
	return s.follow(ctx, s.cfg.SeriesCaughtUp)
}

// settled is for what may not be done on less than all that was committed:
// statements, and forgetting a person.
func (s *server) settled(ctx context.Context) error {
	asOf, err := s.visitsFollow(ctx)
	if err != nil || asOf.AsOf == nil {
		return err
	}
	return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, "visits are still being made of messages that came late; try again in a while"),
		http.Header{"Retry-After": {"10"}})
}
