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
	"reflect"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/rights"
)

// Options are what an import needs beside its file.
type Options struct {
	Kind   string         // of a CSV file; empty: told by its columns
	Tenant lease.TenantID // whose people they are, where the file does not say
}

// Change is what one row does.
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
	Changes []Change `json:"changes"`
	// Unused are columns of the files that mean nothing here.
	Unused []string `json:"unused"`
	Faults []Fault  `json:"-"`
}

// Import reads a CSV file, or a zip of them as an export is, into a draft of
// the rights. Nothing is to be committed where the report has faults.
func Import(ctx context.Context, n *catalogue.Network, k *keys.Ring, d *rights.Draft, name string, data []byte, o Options) (*Report, error) {
	files := map[string][]byte{path.Base(name): data}
	archive := bytes.HasPrefix(data, []byte("PK\x03\x04"))
	if archive {
		var err error
		if files, err = unpack(data); err != nil {
			return nil, Fault{File: name, Message: err.Error()}
		}
	}
	r := &reader{Options: o, network: n, keys: k, draft: d, report: &Report{Changes: []Change{}, Unused: []string{}}, book: d.Book()}
	r.fill()
	tenant, err := only(r.tenants, string(o.Tenant)) // as people call it
	if err == nil && tenant != "" && !r.tenants.has(tenant) {
		err = fmt.Errorf("there is no tenant %q", o.Tenant)
	}
	if err != nil {
		return nil, Fault{File: name, Message: "the import's tenant: " + err.Error()}
	}
	r.Tenant = lease.TenantID(tenant)
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
			return nil, Fault{File: file, Line: s.table.head, Message: "has no rows below its first line"}
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

// sheet is a kind of sheet, whatever it holds.
type sheet interface {
	called() string
	known(header []string) (n int, decisive, whole bool)
	read(ctx context.Context, r *reader, t *table) error
	write(b *lease.Book, fingerprint string, w io.Writer) error
}

// sheets are all kinds, each after those that it refers to.
func sheets() []sheet {
	return []sheet{tenants(), members(), badges(), schedules(), plans(), leases(), passes(), events()}
}

// Kinds are the names of the kinds.
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

// load reads a file and finds out which kind it is of: named, called so, or by its columns.
func (r *reader) load(file string, data []byte) (loaded, error) {
	all := sheets()
	want := cmp.Or(r.Kind, strings.TrimSuffix(strings.ToLower(file), ".csv"))
	i := slices.IndexFunc(all, func(s sheet) bool { return s.called() == want })
	if i < 0 && r.Kind != "" {
		return loaded{}, Fault{File: file, Message: fmt.Sprintf("%q is none of %s", r.Kind, strings.Join(Kinds(), ", "))}
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

// recognise finds the kind whose columns a table has: one that has a column
// which only it has, else the most, else one that lacks none that it needs.
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
	return 0, Fault{File: t.file, Line: t.head, Message: "may be " + strings.Join(names, " or ") + " by its columns: say which kind it is"}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func unknown(t *table) Fault {
	return Fault{File: t.file, Line: t.head, Message: fmt.Sprintf("the first line names no columns that are known; say which of %s it is, and see docs/import.md", strings.Join(Kinds(), ", "))}
}

// reader is an import under way; row, holder and read are of the row at hand.
type reader struct {
	Options
	network *catalogue.Network
	keys    *keys.Ring
	draft   *rights.Draft
	book    *lease.Book // as it becomes
	report  *Report

	// What is in the book, by what people write.
	tenants, plans, people, mails, titles *index
	byHash                                map[lease.Hash]lease.CredentialID
	byTerms                               map[terms][]lease.ID

	seen   map[string]int // the lines of the sheet's ids
	row    cells
	holder lease.MemberID
	read   bool // a UID
}

// fingerprint names this installation's keys without telling them.
func (r *reader) fingerprint() string { return Fingerprint(r.keys) }

// Fingerprint names an installation's keys without telling them.
func Fingerprint(k *keys.Ring) string {
	d := k.Digest([]byte("totem export"))
	return base64.RawURLEncoding.EncodeToString(d[:9])
}

func (k kind[T]) called() string { return k.name }

// column finds the column that a header's cell means; -1: none.
func (k kind[T]) column(cell string) int {
	name := plain(cell)
	return slices.IndexFunc(k.columns, func(c column[T]) bool { return c.fits(name) })
}

// known counts the columns of a header that are the kind's, and says whether
// one is of no other kind, and whether new ones can be made of them.
func (k kind[T]) known(header []string) (n int, decisive, whole bool) {
	have := map[string]bool{}
	for _, h := range header {
		if i := k.column(h); i >= 0 {
			n++
			have[k.columns[i].name] = true
		}
	}
	decisive = slices.ContainsFunc(k.decisive, func(name string) bool { return have[name] })
	lacks := slices.ContainsFunc(k.needs, func(name string) bool { return !have[name] })
	return n, decisive, !lacks && (decisive || len(k.decisive) == 0)
}

// layout is which columns a table has, and what it calls them.
type layout struct {
	at     []int             // the column of each cell; -1: none
	called map[string]string // by the column's name, and by its field's
}

// name is how the file calls a column, or the column that sets its field.
func (l *layout) name(column string) string {
	return cmp.Or(l.called[column], l.called["of "+column], column)
}

// layout finds the columns of a table.
func (k kind[T]) layout(r *reader, t *table) (layout, bool) {
	l := layout{make([]int, len(t.header)), map[string]string{}}
	for i, h := range t.header {
		h = strings.TrimSpace(h)
		if l.at[i] = k.column(h); l.at[i] < 0 {
			if h != "" {
				r.report.Unused = append(r.report.Unused, t.file+": "+h)
			}
			continue
		}
		c := k.columns[l.at[i]]
		if l.called[c.name] != "" {
			r.fault(t, t.head, h, "stands for "+c.name+", as another column does")
			return l, false
		}
		l.called[c.name] = h
		if c.field != "" {
			l.called["of "+c.field] = h
		}
	}
	return l, true
}

// read puts every row of a table into the draft, and gathers what is wrong.
func (k kind[T]) read(ctx context.Context, r *reader, t *table) error {
	l, ok := k.layout(r, t)
	r.seen = map[string]int{}
	for _, row := range t.rows {
		if err := ctx.Err(); err != nil || !ok {
			return err
		}
		k.readRow(r, t, row, &l)
	}
	return nil
}

func (r *reader) fault(t *table, line int, column, message string) {
	r.report.Faults = append(r.report.Faults, Fault{t.file, line, strings.TrimSpace(column), message})
}

func (k kind[T]) readRow(r *reader, t *table, row line, l *layout) {
	r.row, r.holder, r.read = cells{}, "", false
	for i, c := range row.cells {
		if i < len(l.at) && l.at[i] >= 0 {
			r.row[k.columns[l.at[i]].name] = cellText(c)
		}
	}
	id, before, ok := k.identified(r, t, row, l)
	if !ok {
		return
	}
	for _, b := range before {
		if !r.put(t, row.number, b, l) {
			return
		}
		m := b.(lease.Member)
		r.report.Changes = append(r.report.Changes, Change{File: t.file, Line: row.number, Kind: "members", ID: string(m.ID), Action: "create", Fields: []Field{{"name", "", m.Name}, {"tenant", "", string(m.Tenant)}}})
	}
	old, there := k.find(r.book, id)
	v := old
	if !there {
		v = k.fresh(id)
		k.defaults(r, &v)
	}
	if !k.fill(r, t, row, l, &v, there) {
		return
	}
	change := Change{File: t.file, Line: row.number, Kind: k.name, ID: id, Action: "create", Fields: k.differences(&old, &v, there)}
	if there && (reflect.DeepEqual(old, v) || len(change.Fields) == 0) {
		change.Action = "keep"
		r.report.Changes = append(r.report.Changes, change)
		return
	}
	if there {
		change.Action = "change"
	}
	if r.put(t, row.number, v, l) {
		r.report.Changes = append(r.report.Changes, change)
	}
}

// identified finds a row's id, which no other row of the sheet may have.
func (k kind[T]) identified(r *reader, t *table, row line, l *layout) (id string, before []any, ok bool) {
	id = r.row["id"]
	made := id == ""
	if made || k.name == "badges" { // whose member may be made
		found, more, err := k.identify(r, r.row)
		var wrong rowFault
		if _, there := k.find(r.book, id); errors.As(err, &wrong) && (made || !there) {
			r.fault(t, row.number, l.name(wrong.column), wrong.message)
			return "", nil, false
		} else if err != nil && !errors.As(err, &wrong) {
			r.fault(t, row.number, l.name(k.by), err.Error())
			return "", nil, false
		}
		if before = more; made {
			id = found
		}
	}
	if first, twice := r.seen[id]; twice && made {
		r.fault(t, row.number, l.name(k.by), fmt.Sprintf("is the same as in line %d; if it is another, give both an id", first))
		return "", nil, false
	} else if twice {
		r.fault(t, row.number, l.name("id"), fmt.Sprintf("%s stands in line %d too", id, first))
		return "", nil, false
	}
	r.seen[id] = row.number
	return id, before, true
}

// fill sets a record's fields from a row; false where something is wrong.
func (k kind[T]) fill(r *reader, t *table, row line, l *layout, v *T, there bool) (sound bool) {
	sound = true
	for _, name := range k.needs {
		if _, present := r.row[name]; !present && !there {
			r.fault(t, row.number, l.name(name), "is missing")
			sound = false
		}
	}
	for _, c := range k.columns {
		s, present := r.row[c.name]
		if l.called[c.name] == "" || c.set == nil || !present && there {
			continue
		}
		if err := c.set(r, v, s); err != nil {
			r.fault(t, row.number, l.name(c.name), err.Error())
			sound = false
		}
	}
	return sound
}

// defaults are those that depend on the import.
func (k kind[T]) defaults(r *reader, v *T) {
	switch x := any(v).(type) {
	case *lease.Member:
		x.Tenant = r.Tenant
	case *lease.Lease:
		x.Tenant = r.Tenant
		id, _ := r.tenant(r.row["tenant"]) // told where it is read
		t, _ := r.book.Tenant(lease.TenantID(id))
		x.Site = t.Site
	}
}

// put puts a value into the draft and says what is wrong with it.
func (r *reader) put(t *table, line int, v any, l *layout) bool {
	err := r.draft.Put(v)
	var field *lease.FieldError
	var conflict *lease.ConflictError
	switch {
	case err == nil:
		r.note(v)
		return true
	case errors.As(err, &field):
		name, _, _ := strings.Cut(field.Field, "[")
		r.fault(t, line, l.name(name), field.Msg)
	case errors.As(err, &conflict):
		r.fault(t, line, l.name(conflict.Field), conflict.Msg)
	default:
		r.fault(t, line, "", err.Error())
	}
	return false
}

// differences are the fields that are not as they were, as an export writes
// them: hashes are only said to differ.
func (k kind[T]) differences(old, v *T, there bool) []Field {
	var list []Field
	for _, c := range k.columns {
		if c.get == nil || c.name == "id" {
			continue
		}
		before, after := "", c.get(v)
		if there {
			before = c.get(old)
		}
		if before == after {
			continue
		}
		if strings.HasSuffix(c.name, "_hash") {
			if c.name == "list_hash" {
				continue
			}
			c.name, before, after = "uid", "", "(set)"
		}
		list = append(list, Field{c.name, before, after})
	}
	return list
}
