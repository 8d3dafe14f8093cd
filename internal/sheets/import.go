package sheets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// Options are the settings of an import.
type Options struct {
	Kind   string           // kind of a CSV file; empty: guessed from its columns
	Tenant tenancy.TenantID // the tenant of the people, where the file does not say
}

// Change is what one row of a sheet creates or changes.
type Change struct {
	File   string  `json:"file"`
	Line   int     `json:"line"`
	Kind   string  `json:"kind"`
	ID     string  `json:"id"`
	Action string  `json:"action" enum:"create,change,keep"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is a field that changes, as an export writes it; UIDs are not shown.
type Field struct {
	Column string `json:"column"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Report is what an import does, or would do.
type Report struct {
	Warnings []Warning `json:"warnings"`
	Changes  []Change  `json:"changes"`
	// Unused are columns of the files that have no meaning here.
	Unused []string `json:"unused"`
	Faults []Fault  `json:"-"`
}

// Import reads a CSV file, or a zip of them as an export writes it, into a
// draft of the rights. The caller must not commit a draft whose report has
// faults.
func Import(
	ctx context.Context,
	n *catalogue.Network,
	k *keys.Ring,
	d *rights.Draft,
	name string,
	data []byte,
	o Options,
) (*Report, error) {
	files := map[string][]byte{path.Base(name): data}
	archive := bytes.HasPrefix(data, []byte("PK\x03\x04"))
	if archive {
		var err error
		if files, err = unpack(data); err != nil {
			return nil, Fault{File: name, Message: err.Error()}
		}
	}
	r := &reader{
		Options: o,
		network: n,
		keys:    k,
		draft:   d,
		report:  &Report{Warnings: []Warning{}, Changes: []Change{}, Unused: []string{}},
		book:    d.Book(),
	}
	r.fill()
	tenant, err := only(r.tenants, string(o.Tenant)) // its name, as people write it
	if err == nil && tenant != "" && !r.tenants.has(tenant) {
		err = fmt.Errorf("there is no tenant %q", o.Tenant)
	}
	if err != nil {
		return nil, Fault{File: name, Message: "the import's tenant: " + err.Error()}
	}
	r.Tenant = tenancy.TenantID(tenant)
	var sheets []loaded
	for _, file := range sorted(files) {
		s, err := r.load(file, files[file])
		var f Fault
		switch {
		case errors.As(err, &f):
			r.report.Faults = append(r.report.Faults, f)
		case err != nil:
			return nil, err
		case len(s.table.rows) == 0 && !archive:
			return nil, Fault{File: file, Line: s.table.head, Message: "has no rows below its header"}
		default:
			sheets = append(sheets, s)
		}
	}
	slices.SortStableFunc(sheets, func(a, b loaded) int { return cmp.Compare(a.order, b.order) })
	for _, s := range sheets {
		if err := s.sheet.read(ctx, r, s.table); err != nil {
			return nil, err
		}
	}
	return r.report, nil
}

func sorted(files map[string][]byte) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// sheet is a kind of sheet, without the type of its records.
type sheet interface {
	called() string
	known(header []string) (n int, decisive, whole bool)
	read(ctx context.Context, r *reader, t *table) error
	write(b *tenancy.Book, fingerprint string, w io.Writer) error
}

// sheets returns all kinds, each after those to which it refers.
func sheets() []sheet {
	return []sheet{tenants(), members(), badges(), schedules(), plans(), leases(), passes(), events()}
}

// Kinds returns the names of the kinds.
func Kinds() []string {
	var list []string
	for _, s := range sheets() {
		list = append(list, s.called())
	}
	return list
}

type loaded struct {
	order int
	sheet sheet
	table *table
}

// load parses a file and finds its kind: as named, from the file's name, or
// from its columns.
func (r *reader) load(file string, data []byte) (loaded, error) {
	all := sheets()
	want := cmp.Or(r.Kind, strings.TrimSuffix(strings.ToLower(file), ".csv"))
	i := slices.IndexFunc(all, func(s sheet) bool { return s.called() == want })
	if i < 0 && r.Kind != "" {
		return loaded{}, Fault{File: file, Message: fmt.Sprintf("%q is not one of %s", r.Kind, strings.Join(Kinds(), ", "))}
	}
	score := func(header []string) (most int) {
		for k, s := range all {
			if n, _, _ := s.known(header); i < 0 || i == k {
				most = max(most, n)
			}
		}
		return most
	}
	t, err := read(file, data, score)
	if err != nil {
		return loaded{}, err
	}
	if i < 0 {
		if i, err = recognise(all, t); err != nil {
			return loaded{}, err
		}
	}
	if n, _, _ := all[i].known(t.header); n == 0 {
		return loaded{}, unknown(t)
	}
	return loaded{i, all[i], t}, nil
}

// recognise returns the kind that fits a table's columns best. Kinds are compared
// by whether the table has a column of theirs that no other kind has, and at least
// one more; then by the number of columns that they know; then by whether all their
// required columns are there. Two that are equal in all of it are an error.
func recognise(all []sheet, t *table) (int, error) {
	type mark struct {
		decisive bool
		n        int
		whole    bool
	}
	best, at := mark{n: 1}, []int{}
	for k, s := range all {
		var m mark
		m.n, m.decisive, m.whole = s.known(t.header)
		less := func(a, b bool) int { return cmp.Compare(btoi(a), btoi(b)) }
		switch c := cmp.Or(less(m.decisive && m.n > 1, best.decisive), cmp.Compare(m.n, best.n), less(m.whole, best.whole)); {
		case c > 0:
			best, at = m, []int{k}
		case c == 0 && len(at) > 0:
			at = append(at, k)
		}
	}
	switch len(at) {
	case 0:
		return 0, unknown(t)
	case 1:
		return at[0], nil
	}
	var names []string
	for _, k := range at {
		names = append(names, all[k].called())
	}
	return 0, Fault{
		File:    t.file,
		Line:    t.head,
		Message: "may be " + strings.Join(names, " or ") + " by its columns: name the kind",
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func unknown(t *table) Fault {
	return Fault{
		File: t.file,
		Line: t.head,
		Message: fmt.Sprintf(
			"the first line contains no known column names; name its kind (one of %s), and see docs/import.md",
			strings.Join(Kinds(), ", "),
		),
	}
}

// reader is an import in progress; row, holder and read belong to the current
// row.
type reader struct {
	Options
	network *catalogue.Network
	keys    *keys.Ring
	draft   *rights.Draft
	book    *tenancy.Book // the record as it becomes
	report  *Report

	// Records of the book, by what people write.
	tenants, plans, people, mails, titles *index
	byHash                                map[tenancy.CredentialHash]tenancy.CredentialID
	byTerms                               map[terms][]tenancy.LeaseID
	byWords                               map[wordsOf][]tenancy.MemberID
	bySpace                               map[catalogue.SpaceID][]tenancy.LeaseID
	sites                                 map[string]catalogue.SiteID

	seen   map[string]int // line of each of the sheet's ids
	row    cells
	holder tenancy.MemberID
	read   bool // the row's UID
}

// fingerprint identifies this installation's keys without revealing them.
func (r *reader) fingerprint() string { return Fingerprint(r.keys) }

// Fingerprint identifies an installation's keys without revealing them.
func Fingerprint(k *keys.Ring) string {
	d := k.Digest([]byte("totem export"))
	return base64.RawURLEncoding.EncodeToString(d[:9])
}

func (k kind[T]) called() string { return k.name }
