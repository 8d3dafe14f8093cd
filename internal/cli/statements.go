package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Paths of statements.
const (
	StatementsPath = "/v1/statements"
	AccountingPath = "/v1/accounting"
)

type statement struct {
	ID, Month, Lease, Tenant string
	TenantName               string `json:"tenant_name"`
	Minutes                  int64  `json:"billable_minutes"`
	Net                      int64  `json:"net_cents"`
	Vat                      int64  `json:"vat_cents"`
	Total                    int64  `json:"total_cents"`
	Lines                    []struct{ Kind, Month, Cause string }
}

// Statements lists issued statements.
func Statements(ctx context.Context, c Client, w io.Writer, q url.Values) error {
	list, err := List[statement](ctx, c, StatementsPath, q)
	if err != nil {
		return err
	}
	return showStatements(w, list)
}

// IssueRequest asks for a month's statements to be issued.
type IssueRequest struct {
	Month  string `json:"month"`
	Tenant string `json:"tenant,omitempty"`
	DryRun bool   `json:"dry_run"`

	AsKnown string `json:"-"` // an instant or a day; empty: now
}

// Issue issues a month's statements, or shows them in a dry run.
func Issue(ctx context.Context, c Client, w io.Writer, r IssueRequest) error {
	list, warnings, err := issue[statement](ctx, c, r)
	if err != nil {
		return err
	}
	if err := showStatements(w, list); err != nil {
		return err
	}
	if err := warn(w, warnings); err != nil {
		return err
	}
	said := "Issued: " + several(len(list), "statement") + "."
	if r.DryRun {
		said = "A dry run of " + several(
			len(list),
			"statement",
		) + ": nothing was issued. Once the month is over, issue them without --dry-run; that cannot be undone."
	}
	_, err = fmt.Fprintf(w, "\n%s\n", said)
	return err
}

// several writes a number and its noun, in the plural where needed.
func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func showStatements(w io.Writer, list []statement) error {
	t := newTable("<statement", "<month", "<tenant", "<lease", "minutes", "excl. VAT", "VAT", "total", "<corrects")
	var net, vat, total int64
	for _, s := range list {
		var corrects []string
		for _, l := range s.Lines {
			if l.Kind == "correction" {
				corrects = append(corrects, l.Month)
			}
		}
		t.row(s.ID,
			s.Month,
			s.Tenant,
			s.Lease,
			fmt.Sprint(s.Minutes),
			euros(s.Net),
			euros(s.Vat),
			euros(s.Total),
			strings.Join(corrects, " "),
		)
		net, vat, total = net+s.Net, vat+s.Vat, total+s.Total
	}
	t.row("", "", "", fmt.Sprintf("%d in all", len(list)), "", euros(net), euros(vat), euros(total))
	return t.write(w)
}

// euros writes cents as 1234.56.
func euros(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// Preview returns what a month's statements would be.
func Preview[T any](ctx context.Context, c Client, month string) ([]T, error) {
	list, _, err := issue[T](ctx, c, IssueRequest{Month: month, DryRun: true})
	return list, err
}

// warn prints what an act was done in spite of.
func warn(w io.Writer, warnings []string) error {
	for _, says := range warnings {
		if _, err := fmt.Fprintf(w, "\nWarning: %s.\n", says); err != nil {
			return err
		}
	}
	return nil
}

func issue[T any](ctx context.Context, c Client, r IssueRequest) (list []T, warnings []string, err error) {
	var p struct {
		page[T]
		Warnings []string
	}
	path := StatementsPath
	if r.AsKnown != "" {
		path += "?" + url.Values{"as_known": {r.AsKnown}}.Encode()
	}
	err = c.send(ctx, http.MethodPost, path, r, &p)
	return p.Items, p.Warnings, err
}
