package cli

import (
	"context"
	"net/http"

	"github.com/lorntech/totem/internal/catalogue"
)

// Changed describes what another catalogue changes.
type Changed struct {
	N                              int
	Since                          catalogue.Instant
	Differences, Touches, Warnings []string
	Unchanged                      bool
}

// ApplyCatalogue puts a catalogue in force in the service or, with dry, returns
// what it would change. body is the API's request body.
func (c Client) ApplyCatalogue(ctx context.Context, body any, dry bool) (out Changed, err error) {
	path := "/v1/catalogue"
	if dry {
		path += "?dry_run=true"
	}
	return out, c.send(ctx, http.MethodPut, path, body, &out)
}
