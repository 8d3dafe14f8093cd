package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Paths of import and export.
const (
	importPath = "/v1/import"
	ExportPath = "/v1/export"
)

type importReport struct {
	Warnings []struct {
		File, Column, Value, Text string
		Line                      int
	}
	Changes []struct {
		File             string
		Line             int
		Kind, ID, Action string
		Fields           []struct{ Column, Before, After string }
	}
	Unused []string
	Would  *would // set for a dry run
}

// Import sends a file and prints what changes; q holds the import's parameters.
func Import(ctx context.Context, c Client, w io.Writer, file string, q url.Values) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return fmt.Errorf("%s is empty: nothing was imported", file)
	}
	q.Set("name", filepath.Base(file))
	var r importReport
	err = c.upload(ctx, importPath, q, data, &r)
	var refused *Refused
	if errors.As(err, &refused) && len(refused.Errors) > 0 {
		for _, e := range refused.Errors {
			place := e.Location
			if e.Field != "" {
				place += ": column " + e.Field
			}
			fmt.Fprintf(w, "%s: %s\n", place, e.Message)
		}
		return errors.New(refused.Detail)
	}
	if err != nil {
		return err
	}
	return r.show(w, q.Get("dry_run") == "true")
}

func (r *importReport) show(w io.Writer, dry bool) error {
	for _, x := range r.Warnings {
		place := fmt.Sprintf("%s:%d", x.File, x.Line)
		if x.Column != "" {
			place += ": column " + x.Column
		}
		fmt.Fprintf(w, "warning: %s: %q %s\n", place, x.Value, x.Text)
	}
	count := map[string]int{}
	t := newTable("<", "<", "<", "<", "<")
	for _, x := range r.Changes {
		count[x.Action]++
		sign := map[string]string{"create": "+", "change": "~"}[x.Action]
		if sign == "" {
			continue
		}
		var fields []string
		for _, f := range x.Fields {
			if x.Action == "create" || f.Before == "" {
				fields = append(fields, f.Column+" "+f.After)
			} else {
				fields = append(fields, fmt.Sprintf("%s %s → %s", f.Column, f.Before, f.After))
			}
		}
		t.row(sign, x.Kind, x.ID, strings.Join(fields, ", "), fmt.Sprintf("(%s:%d)", x.File, x.Line))
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, u := range r.Unused {
		fmt.Fprintf(w, "not used: column %s\n", u)
	}
	r.Would.show(w)
	said := "done"
	if dry {
		said = "dry run, nothing was changed"
		if n := len(r.Warnings); n > 0 {
			said += fmt.Sprintf("; to import in spite of %d warnings add --accept-warnings", n)
		}
	}
	_, err := fmt.Fprintf(w,
		"%d new, %d changed, %d unchanged: %s.\n",
		count["create"],
		count["change"],
		count["keep"],
		said,
	)
	return err
}

// Export writes the export to a file that only its owner may read: completely,
// or not at all.
func Export(ctx context.Context, c Client, w io.Writer, file string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".export-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it no longer exists once it is renamed
	if err := errors.Join(c.Copy(ctx, tmp, ExportPath, url.Values{}, "application/zip"), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w,
		"%s contains names and hashes of badges: protect it like the ledger. totem import reads it back.\n",
		file,
	)
	return err
}

// would is what the plans and leases of an import would change.
type would struct {
	Doors []struct {
		Lease, On     string
		Opens, Closes []string
	}
	Months []struct {
		Month  string
		Before int64 `json:"net_cents_before"`
		After  int64 `json:"net_cents_after"`
	}
	Corrections []struct {
		Month string
		Net   int64 `json:"net_cents"`
	}
}

func (x *would) show(w io.Writer) {
	if x == nil {
		return
	}
	for _, d := range x.Doors {
		for _, side := range []struct {
			does  string
			doors []string
		}{{"opens", d.Opens}, {"no longer opens", d.Closes}} {
			if len(side.doors) > 0 {
				fmt.Fprintf(w, "lease %s %s, from %s: %s\n", d.Lease, side.does, d.On, strings.Join(side.doors, ", "))
			}
		}
	}
	for _, m := range x.Months {
		fmt.Fprintf(w, "%s, not yet issued: %s € instead of %s €, excluding VAT\n", m.Month, euros(m.After), euros(m.Before))
	}
	for _, c := range x.Corrections {
		fmt.Fprintf(w, "%s, issued: a correction of %s €, excluding VAT, on the next statements\n", c.Month, euros(c.Net))
	}
}
