package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
)

// maxCatalogue limits the size of a catalogue with its plans, in bytes.
const maxCatalogue = 32 << 20

// NewCatalogue is a catalogue to put in force.
type NewCatalogue struct {
	Name  string                          `json:"name" required:"true" minLength:"1" maxLength:"300" doc:"The file's name: errors name it."`
	Text  string                          `json:"text" required:"true" doc:"The file, in YAML."`
	Plans map[catalogue.BuildingID]string `json:"plans,omitempty" doc:"The SVG drawings that it names, by building."`
	Since string                          `json:"since,omitempty" doc:"When it begins to hold: a local day as 2026-11-23, or an instant; not in the future. Default: now."`
	By    string                          `json:"-"`
}

// CatalogueChanged describes what another catalogue changes.
type CatalogueChanged struct {
	N           int               `json:"n" doc:"The catalogue's number in this service."`
	Since       catalogue.Instant `json:"since"`
	Differences []string          `json:"differences" nullable:"false" doc:"Differences from the one before, one a line."`
	Touches     []string          `json:"touches" nullable:"false" doc:"What is computed again because of it."`
	Warnings    []string          `json:"warnings" nullable:"false" doc:"What may not be intended: catalogues that it replaces, spaces that may have been renamed."`
	Unchanged   bool              `json:"unchanged" doc:"The service already has this catalogue from that time on: nothing was recorded."`
}

// CatalogueFault is a catalogue that cannot be put in force because of a
// mistake of the sender.
type CatalogueFault struct {
	Field string // empty: the text as a whole
	Err   error
}

// Error implements error.
func (f *CatalogueFault) Error() string { return f.Err.Error() }

// Unwrap returns what is wrong with it.
func (f *CatalogueFault) Unwrap() error { return f.Err }

// catalogueVersion is one catalogue in the ledger's list.
type catalogueVersion struct {
	N          int                `json:"n"`
	Since      *catalogue.Instant `json:"since" doc:"When it begins to hold; null: from the beginning."`
	RecordedAt catalogue.Instant  `json:"recorded_at"`
	By         string             `json:"by" doc:"Who put it in force; totem: the service started with it."`
	Name       string             `json:"name" doc:"Its file's name."`
}

type putCatalogueIn struct {
	DryRun bool `query:"dry_run" doc:"Answer what it would change, and change nothing."`
	Body   NewCatalogue
}

type catalogueTextOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// catalogues are the endpoints of the catalogue as a whole.
func (s *server) catalogues() {
	put := operation(
		"PUT",
		"/v1/catalogue",
		tagCatalogue,
		"Change the catalogue without a restart: from now, or from a day or instant before.",
		Admin,
	)
	put.MaxBodyBytes = maxCatalogue
	huma.Register(s.api, put, func(ctx context.Context, in *putCatalogueIn) (*one[CatalogueChanged], error) {
		in.Body.By = callerOf(ctx).id
		out, err := s.cfg.ChangeCatalogue(ctx, in.Body, in.DryRun)
		if fault, ok := errors.AsType[*CatalogueFault](err); ok {
			return nil, catalogueProblem(fault)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		out.Differences, out.Touches, out.Warnings = orEmpty(out.Differences), orEmpty(out.Touches), orEmpty(out.Warnings)
		return &one[CatalogueChanged]{out}, nil
	})
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/catalogue/versions",
			tagCatalogue,
			"The catalogues that this service ran with, oldest first.",
			Admin,
		),
		func(ctx context.Context, in *Paging) (*pageOut[catalogueVersion], error) {
			list, err := s.cfg.Ledger.Catalogues(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			var shown []catalogueVersion
			for _, c := range list {
				v := catalogueVersion{N: c.N, RecordedAt: instant(c.At), By: c.By, Name: c.Name}
				if c.Since.UnixMilli() > 0 {
					v.Since = instantOrNil(&c.Since)
				}
				shown = append(shown, v)
			}
			return pageOfAll(Tabular{Paging: *in}, shown, func(v catalogueVersion) catalogueVersion { return v })
		},
	)
	type versionIn struct {
		N string `path:"n" maxLength:"10"`
	}
	huma.Register(s.api,
		file(
			operation(
				"GET",
				"/v1/catalogue/versions/{n}",
				tagCatalogue,
				"One of these catalogues, as its file was written.",
				Admin,
			),
			"application/yaml",
		),
		func(ctx context.Context, in *versionIn) (*catalogueTextOut, error) {
			list, err := s.cfg.Ledger.Catalogues(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			n, err := strconv.Atoi(in.N)
			if err != nil || n < 1 || n > len(list) {
				return nil, notFound("catalogue " + in.N)
			}
			return &catalogueTextOut{"application/yaml", list[n-1].Text}, nil
		},
	)
}

// catalogueProblem returns a problem that names the line of each fault, where
// the fault has one.
func catalogueProblem(f *CatalogueFault) error {
	field := f.Field
	if field == "" {
		field = "text"
	}
	p := &Problem{
		Type:   "about:blank",
		Title:  http.StatusText(http.StatusUnprocessableEntity),
		Status: http.StatusUnprocessableEntity,
		Detail: "the catalogue is not changed",
	}
	for line := range strings.SplitSeq(f.Error(), "\n") {
		if len(p.Errors) == mostFaults {
			p.Errors = append(p.Errors, FieldProblem{Field: field, Location: "body." + field, Message: "and more"})
			break
		}
		p.Errors = append(p.Errors, FieldProblem{Field: field, Location: "body." + field, Message: line})
	}
	return p
}

// mostFaults is how many faults of a catalogue are answered at once.
const mostFaults = 30

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
