package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
)

// followWaits is how long an answer waits for visits and minutes to be computed
// from what was committed. After that it is given all the same, with as_of.
const followWaits = 10 * time.Second

// AsOf is part of every answer that depends on visits or minutes.
type AsOf struct {
	AsOf *catalogue.Instant `json:"as_of,omitempty" format:"date-time" doc:"Only while messages are still being processed: the received_at up to which this answer is complete."`
}

// follow waits until caughtUp has processed what was committed. Where that
// takes too long it returns the time up to which an answer is complete.
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

// visitsFollow waits for visits; minutesFollow waits for the series.
func (s *server) visitsFollow(ctx context.Context) (AsOf, error) {
	return s.follow(ctx, s.cfg.CaughtUp)
}

func (s *server) minutesFollow(ctx context.Context) (AsOf, error) {
	return s.follow(ctx, s.cfg.SeriesCaughtUp)
}

// settled refuses operations that may not be done while messages are still
// being processed: issuing statements, erasing a person.
func (s *server) settled(ctx context.Context) error {
	asOf, err := s.visitsFollow(ctx)
	if err != nil || asOf.AsOf == nil {
		return err
	}
	return huma.ErrorWithHeaders(
		problem(http.StatusServiceUnavailable, "late messages are still being processed; try again in a while"),
		http.Header{"Retry-After": {"10"}},
	)
}
