package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/language"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

type issueIn struct {
	Locale string `query:"locale" enum:"en,fr" doc:"Language of the CSV: en or fr."`
	Known
	Body struct {
		Month  string `json:"month" required:"true" doc:"As 2026-10."`
		Tenant string `json:"tenant,omitempty" doc:"Only of this tenant."`
		DryRun bool   `json:"dry_run,omitempty" doc:"Show what would be issued, and issue nothing."`
	}
}

type statementsIn struct {
	Tabular
	Month  string `query:"month" doc:"As 2026-10."`
	Tenant string `query:"tenant"`
}

// statementsBody holds statements; as CSV it has the lines of all of them.
type statementsBody struct {
	Page[billing.Statement]
	Warnings []string `json:"warnings,omitempty" doc:"Of issuing: what the statements lack as invoices."`
}

type statementIn struct {
	IDPath
	Locale   string `query:"locale" enum:"en,fr" doc:"Of the CSV, en by default: fr has semicolons, decimal commas and a byte order mark, as French spreadsheets open it. Of the page: by default as the browser asks."`
	Accept   string `header:"Accept" hidden:"true"`
	Language string `header:"Accept-Language" hidden:"true"`
}

// statementOut is one statement; as CSV a line for each of its lines, as HTML a
// page that prints on A4.
type statementOut struct {
	Policy string `header:"Content-Security-Policy" hidden:"true"`
	Body   statementBody
}

// paperPolicy is the Content-Security-Policy of a statement, whose style is always the same.
var paperPolicy = sync.OnceValue(func() string {
	var page bytes.Buffer
	if err := new(billing.Statement).Paper(&page, billing.English, time.UTC); err != nil {
		panic(err) // the template is embedded and always parses
	}
	return policy(page.Bytes())
})

type statementBody struct {
	billing.Statement
	fr   bool           // settings of the CSV
	lang billing.Locale // language of the page
	zone *time.Location
}

func (s statementBody) french() bool { return s.fr }

func (s statementBody) print(w io.Writer) error { return s.Paper(w, s.lang, s.zone) }

// languages are those in which people read statements; the first where a
// browser asks for another.
var languages = language.NewMatcher([]language.Tag{language.English, language.French})

// localeOf returns the language that a request names or its browser prefers.
func localeOf(named, accepted string) billing.Locale {
	if named != "" {
		return billing.Locale(named)
	}
	if _, i := language.MatchStrings(languages, accepted); i == 1 {
		return billing.French
	}
	return billing.English
}

func (s *server) statements() {
	huma.Register(s.api,
		with(
			operation(
				"POST",
				"/v1/statements",
				tagBilling,
				"Issue a month's statements; a dry run only shows them.",
				Admin,
				Billing,
			),
			http.StatusConflict,
			http.StatusServiceUnavailable,
		),
		s.issue,
	)
	type forecastIn struct {
		Paging
		Month string `query:"month" required:"true" doc:"As 2026-11."`
	}
	huma.Register(s.api,
		with(
			operation(
				"GET",
				"/v1/forecast",
				tagBilling,
				"What a month's statements would come to as of now; for a tenant its own.",
				Admin,
				Billing,
				Tenant,
			),
			http.StatusServiceUnavailable,
		),
		func(ctx context.Context, in *forecastIn) (*one[statementsBody], error) {
			dry := &issueIn{}
			dry.Body.Month, dry.Body.DryRun = in.Month, true
			out, err := s.issue(ctx, dry)
			if err != nil {
				return nil, err
			}
			page, err := pageOfAll(
				Tabular{Paging: in.Paging},
				out.Body.Items,
				func(x billing.Statement) billing.Statement { return x },
			)
			if err != nil {
				return nil, err
			}
			return &one[statementsBody]{statementsBody{Page: page.Body}}, nil
		},
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/statements",
			tagBilling,
			"Issued statements, by number; also as CSV, all their lines.",
			Admin,
			Billing,
			Tenant,
		),
		s.listStatements,
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/statements/{id}",
			tagBilling,
			"An issued statement; also as CSV, and as HTML that prints on A4.",
			Admin,
			Billing,
			Tenant,
		),
		s.statement,
	)
	huma.Register(s.api,
		file(
			operation(
				"GET",
				"/v1/accounting",
				tagBilling,
				"Issued statements as the entries of a sales journal: the 18 columns of a FEC, as French accounting packages import it.",
				Admin,
				Billing,
			),
			"text/plain",
		),
		s.accounting,
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/calibration",
			tagBilling,
			"What rents the use of spaces suggests, with every input; also as CSV.",
			Admin,
			Manager,
			Billing,
		),
		s.calibration,
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/charter",
			tagBilling,
			"Which spaces and services of the charter each site offers, how they are used, and what is missing.",
			Admin,
			Manager,
			Billing,
		),
		s.charter,
	)
}

func (s *server) issue(ctx context.Context, in *issueIn) (*one[statementsBody], error) {
	m, err := tariff.ParseMonth(in.Body.Month)
	if err != nil {
		return nil, invalid("body", "month", err.Error())
	}
	of, err := s.bills(in.Known)
	if err != nil {
		return nil, err
	}
	if in.AsKnown != "" && !in.Body.DryRun {
		return nil, invalid(
			"query",
			"as_known",
			"is for a dry run only: a past state of knowledge cannot be issued",
		)
	}
	if err := s.settled(ctx); err != nil {
		return nil, err
	}
	c, book := callerOf(ctx), s.cfg.Rights.InForce().Book
	if t := in.Body.Tenant; t != "" && !c.ofTenant(book, tenancy.TenantID(t)) {
		return nil, invalid("body", "tenant", "there is no such tenant")
	}
	r := billing.Request{
		Month:  m,
		Tenant: tenancy.TenantID(in.Body.Tenant),
		Of:     c.tenants(book),
		DryRun: in.Body.DryRun,
		Actor:  c.id,
	}
	list, err := of.Issue(ctx, r)
	switch {
	case errors.Is(err, billing.ErrIssued), errors.Is(err, billing.ErrNoIssuer):
		return nil, problem(http.StatusConflict, err.Error())
	case errors.Is(err, billing.ErrNotOver):
		return nil, invalid("body", "month", err.Error())
	case errors.Is(err, billing.ErrUnknown):
		return nil, invalid("body", "tenant", err.Error())
	case err != nil:
		return nil, s.fail(err)
	}
	p := pageOf(0, list, func(x billing.Statement) billing.Statement { return x }, nil)
	p.Body.fr = in.Locale == "fr"
	body := statementsBody{Page: p.Body}
	if missing := of.Settings.Issuer.Missing(); len(missing) > 0 && len(list) > 0 {
		body.Warnings = []string{strings.Join(missing, ", ") + " is missing in the billing settings: an invoice must say it"}
	}
	return &one[statementsBody]{body}, nil
}

func (s *server) listStatements(ctx context.Context, in *statementsIn) (*one[statementsBody], error) {
	tenant, err := ownTenant(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	if in.Month != "" {
		if _, err := tariff.ParseMonth(in.Month); err != nil {
			return nil, invalid("query", "month", err.Error())
		}
	}
	after, err := in.number()
	if err != nil {
		return nil, err
	}
	f := ledger.StatementFilter{
		Month:  in.Month,
		Tenant: tenant,
		Of:     callerOf(ctx).tenants(s.cfg.Rights.InForce().Book),
		After:  after,
		Limit:  in.Limit + 1,
	}
	if wantsCSV(in.Accept) {
		in.Limit, f.Limit = 0, 0
	}
	list, err := s.cfg.Ledger.Statements(ctx, f)
	if err != nil {
		return nil, s.fail(err)
	}
	shown := make([]billing.Statement, len(list))
	for i := range list {
		if err := json.Unmarshal(list[i].Body, &shown[i]); err != nil {
			return nil, s.fail(err)
		}
	}
	p := pageOf(in.Limit,
		shown,
		func(x billing.Statement) billing.Statement { return x },
		func(x billing.Statement) []string { return []string{strconv.FormatInt(x.Number, 10)} },
	)
	p.Body.fr = in.Locale == "fr"
	return &one[statementsBody]{statementsBody{Page: p.Body}}, nil
}

func (s *server) statement(ctx context.Context, in *statementIn) (*statementOut, error) {
	number, ok := billing.Number(in.ID)
	if !ok {
		return nil, notFound("statement " + in.ID)
	}
	list, err := s.cfg.Ledger.Statements(ctx, ledger.StatementFilter{Number: number, Limit: 1})
	if err != nil {
		return nil, s.fail(err)
	}
	if len(list) == 0 {
		return nil, notFound("statement " + in.ID)
	}
	if !callerOf(ctx).ofTenant(s.cfg.Rights.InForce().Book, list[0].Tenant) {
		return nil, notFound("statement " + in.ID)
	}
	out := &statementOut{
		Policy: paperPolicy(),
		Body: statementBody{
			fr:   in.Locale == "fr",
			lang: localeOf(in.Locale, in.Language),
			zone: s.cfg.Network.Zone.Location(),
		},
	}
	return out, s.fail(json.Unmarshal(list[0].Body, &out.Body.Statement))
}
