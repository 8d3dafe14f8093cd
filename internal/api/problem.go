package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/sheets"
	"github.com/lorntech/totem/internal/tenancy"
)

// Problem is an error as RFC 9457 writes it; errors names the fields.
type Problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Errors []FieldProblem `json:"errors,omitempty" nullable:"false"`
	// Warnings of an import that were not accepted.
	Warnings []sheets.Warning `json:"warnings,omitempty" nullable:"false"`
}

// FieldProblem says which field is wrong, and how.
type FieldProblem struct {
	Field    string `json:"field"`    // the field, as windows[1].to, or a parameter's name
	Location string `json:"location"` // where it is: body.windows[1].to, query.limit, path.id
	Message  string `json:"message"`
}

// Error returns the detail, with the fields.
func (p *Problem) Error() string {
	s := []string{p.Title + ": " + p.Detail}
	for _, e := range p.Errors {
		s = append(s, e.Field+": "+e.Message)
	}
	return strings.Join(s, "; ")
}

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the one of RFC 9457.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// fieldsMost is how many faults of one body are answered.
const fieldsMost = 50

// problem makes every error of this API; huma is configured to use it too.
func problem(status int, detail string, errs ...error) huma.StatusError {
	p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	for _, err := range errs {
		if err == nil {
			continue
		}
		if len(p.Errors) == fieldsMost {
			break
		}
		var detailer huma.ErrorDetailer
		var d *huma.ErrorDetail
		if errors.As(err, &detailer) {
			d = detailer.ErrorDetail() // huma's own text would contain the whole body
		} else {
			d = &huma.ErrorDetail{Message: err.Error()}
		}
		p.Errors = append(p.Errors, FieldProblem{Field: fieldOf(d), Location: d.Location, Message: plain(d.Message)})
	}
	return p
}

// fieldOf returns the field that a detail is about. Of a missing field huma
// names the object, and the field only in its text.
func fieldOf(d *huma.ErrorDetail) string {
	_, field, _ := strings.Cut(d.Location, ".")
	if rest, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _, _ := strings.Cut(rest, " ")
		field = strings.TrimPrefix(field+"."+name, ".")
	}
	return field
}

// invalid returns a 422 that names a field of the body, query or path.
func invalid(where, field, message string) huma.StatusError {
	return problem(http.StatusUnprocessableEntity,
		"validation failed",
		&huma.ErrorDetail{Location: where + "." + field, Message: message},
	)
}

func notFound(what string) huma.StatusError {
	return problem(http.StatusNotFound, "there is no "+what)
}

// fail turns an error of the domain or the ledger into a problem. It is the one
// place where error codes become HTTP statuses.
func (s *server) fail(err error) error {
	var field *tenancy.FieldError
	var conflict *tenancy.ConflictError
	var status huma.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return status
	case errors.As(err, &field):
		return invalid("body", field.Field, field.Msg)
	case errors.As(err, &conflict):
		if conflict.Field == "" {
			return problem(http.StatusConflict, conflict.Msg)
		}
		detail := &huma.ErrorDetail{Location: "body." + conflict.Field, Message: conflict.Msg}
		return problem(http.StatusConflict, conflict.Error(), detail)
	case errors.Is(err, tenancy.ErrNotFound), errors.Is(err, ledger.ErrNotFound):
		return problem(http.StatusNotFound, "there is nothing by this id")
	}
	if errors.Is(err, rights.ErrEnded) {
		return problem(http.StatusServiceUnavailable, err.Error())
	}
	if errors.Is(err, context.Canceled) { // the client has gone, or the catalogue changes
		return problem(http.StatusServiceUnavailable, "the request was interrupted: try again")
	}
	s.cfg.Log.Error("request failed", slog.Any("error", err))
	return problem(http.StatusInternalServerError, "the service failed; its log says why")
}
