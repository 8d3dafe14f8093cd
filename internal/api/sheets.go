package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/sheets"
	"github.com/lorntech/totem/internal/tenancy"
)

// maxImport limits the size of an imported file, in bytes.
const maxImport = 16 << 20

type importIn struct {
	Name    string `query:"name" default:"import.csv" doc:"The file's name: files of an export are recognised by it, and errors name it."`
	Kind    string `query:"kind" enum:"tenants,members,badges,schedules,plans,leases,passes,events" doc:"What a CSV file holds; default: guessed from its columns."`
	Tenant  string `query:"tenant" doc:"The tenant of the people, where the file has no such column."`
	Accept  string `query:"accept" enum:"warnings" doc:"Import in spite of warnings; without it a file with warnings is refused (409)."`
	DryRun  bool   `query:"dry_run" doc:"Answer what would change, and change nothing."`
	RawBody []byte `contentType:"application/octet-stream"`
}

type exportOut struct {
	ContentType string `header:"Content-Type"`
	Name        string `header:"Content-Disposition"`
	Body        []byte
}

// sheets registers the endpoints for spreadsheets.
func (s *server) sheets() {
	in := operation(
		"POST",
		"/v1/import",
		tagRights,
		"Import a CSV file, or a zip of them as an export writes it: all of it or nothing.",
		Admin,
	)
	in.MaxBodyBytes = maxImport
	in.Errors = append(in.Errors, http.StatusConflict)
	huma.Register(s.api, in, s.importSheets)
	huma.Register(s.api,
		file(
			operation(
				"GET",
				"/v1/export",
				tagRights,
				"All tenants, members, badges (as hashes), schedules, plans, leases, passes and events as CSV files in a zip.",
				Admin,
			),
			"application/zip",
		),
		s.exportSheets,
	)
}

// importReport is what an import changes.
type importReport struct {
	sheets.Report
	Would *would `json:"would,omitempty" doc:"In a dry run: the doors, months and corrections that its plans and leases change."`
}

func (s *server) importSheets(ctx context.Context, in *importIn) (*one[importReport], error) {
	before := s.cfg.Rights.InForce().Book
	draft := s.cfg.Rights.Draft()
	report, err := sheets.Import(ctx,
		s.cfg.Network,
		s.cfg.Keys,
		draft,
		in.Name,
		in.RawBody,
		sheets.Options{Kind: in.Kind, Tenant: tenancy.TenantID(in.Tenant)},
	)
	if fault, ok := errors.AsType[sheets.Fault](err); ok {
		report = &sheets.Report{Faults: []sheets.Fault{fault}}
	} else if err != nil {
		return nil, s.fail(err)
	}
	if len(report.Faults) > 0 {
		p := &Problem{
			Type:   "about:blank",
			Title:  http.StatusText(http.StatusUnprocessableEntity),
			Status: http.StatusUnprocessableEntity,
			Detail: fmt.Sprintf("nothing was imported; faults: %d", len(report.Faults)),
		}
		for _, f := range report.Faults {
			place := f.File
			if f.Line > 0 {
				place = fmt.Sprintf("%s:%d", f.File, f.Line)
			}
			p.Errors = append(p.Errors, FieldProblem{Field: f.Column, Location: place, Message: f.Message})
		}
		return nil, p
	}
	if len(report.Warnings) > 0 && in.Accept == "" && !in.DryRun {
		p := &Problem{
			Type:   "about:blank",
			Title:  http.StatusText(http.StatusConflict),
			Status: http.StatusConflict,
			Detail: fmt.Sprintf(
				"nothing was imported; warnings: %d: accept them (accept=warnings), or correct the file",
				len(report.Warnings),
			),
		}
		for _, w := range report.Warnings {
			p.Errors = append(p.Errors,
				FieldProblem{
					Field:    w.Column,
					Location: fmt.Sprintf("%s:%d", w.File, w.Line),
					Message:  fmt.Sprintf("%q %s", w.Value, w.Text),
				},
			)
		}
		p.Warnings = report.Warnings
		return nil, p
	}
	if !in.DryRun {
		if err := s.cfg.Rights.Commit(ctx, callerOf(ctx).id, draft); errors.Is(err, rights.ErrChanged) {
			return nil, problem(http.StatusConflict, err.Error())
		} else if err != nil {
			return nil, s.fail(err)
		}
	}
	out := importReport{Report: *report}
	if in.DryRun {
		if out.Would, err = s.wouldChange(ctx, before, draft.Book()); err != nil {
			return nil, s.fail(err)
		}
	}
	return &one[importReport]{out}, nil
}

func (s *server) exportSheets(context.Context, *struct{}) (*exportOut, error) {
	var b bytes.Buffer
	if err := sheets.Export(&b, s.cfg.Rights.InForce().Book, s.cfg.Keys); err != nil {
		return nil, s.fail(err)
	}
	return &exportOut{"application/zip", `attachment; filename="totem-export.zip"`, b.Bytes()}, nil
}
