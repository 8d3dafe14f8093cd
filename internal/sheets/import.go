package sheets

import (
	"archive/zip"
	"bytes"
	"cmp"
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

// maxFiles and maxSize bound an archive, once it is unpacked.
const (
	maxFiles = 64
	maxSize  = 64 << 20
)

// Import reads a CSV file, or a zip of them as an export is, into a draft of
// the rights. Nothing is to be committed where the report has faults.
func Import(n *catalogue.Network, k *keys.Ring, d *rights.Draft, name string, data []byte, o Options) (*Report, error) {
	files := map[string][]byte{path.Base(name): data}
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		var err error
		if files, err = unpack(data); err != nil {
			return nil, Fault{File: name, Message: err.Error()}
		}
	}
	r := &reader{Options: o, network: n, keys: k, draft: d, report: &Report{Changes: []Change{}, Unused: []string{}}, byHash: map[lease.Hash]lease.CredentialID{}}
	r.book = d.Book()
	for c := range r.book.CredentialsUnordered() {
		r.byHash[c.Lookup] = c.ID
	}
	var sheets []loaded
	for _, file := range sorted(files) {
		s, err := r.load(file, files[file])
		var f Fault
		switch {
		case errors.As(err, &f):
			r.report.Faults = append(r.report.Faults, f)
		case err != nil:
			return nil, err
		default:
			sheets = append(sheets, s)
		}
	}
	slices.SortStableFunc(sheets, func(a, b loaded) int { return cmp.Compare(a.order, b.order) })
	for _, s := range sheets {
		s.sheet.read(r, s.table)
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

// unpack reads the files of a zip.
func unpack(data []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errors.New("is no zip that can be read")
	}
	files, total := map[string][]byte{}, 0
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if len(files) == maxFiles {
			return nil, fmt.Errorf("holds more than %d files", maxFiles)
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s cannot be unpacked", f.Name)
		}
		text, err := io.ReadAll(io.LimitReader(in, int64(maxSize-total)+1))
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, fmt.Errorf("%s cannot be unpacked", f.Name)
		}
		if total += len(text); total > maxSize {
			return nil, fmt.Errorf("holds more than %d MB", maxSize>>20)
		}
		name := path.Base(f.Name)
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("holds %s twice", name)
		}
		files[name] = text
	}
	return files, nil
}

// sheet is a kind of sheet, whatever it holds.
type sheet interface {
	called() string
	known(header []string) int
	read(r *reader, t *table)
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
	score := func(header []string) (n int) {
		for k, s := range all {
			if i < 0 || i == k {
				n = max(n, s.known(header))
			}
		}
		return n
	}
	t, err := read(file, data, score)
	if err != nil {
		return loaded{}, err
	}
	if i < 0 {
		most := 1
		for k, s := range all {
			if n := s.known(t.header); n > most {
				i, most = k, n
			}
		}
	}
	if i < 0 || all[i].known(t.header) == 0 {
		return loaded{}, Fault{File: file, Line: 1, Message: fmt.Sprintf("the first line names no columns that are known; say which of %s it is, and see docs/import.md", strings.Join(Kinds(), ", "))}
	}
	return loaded{i, all[i], t}, nil
}

// reader is an import under way; row, holder and read are of the row at hand.
type reader struct {
	Options
	network *catalogue.Network
	keys    *keys.Ring
	draft   *rights.Draft
	book    *lease.Book // as it becomes
	byHash  map[lease.Hash]lease.CredentialID
	report  *Report

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
	for i, c := range k.columns {
		if name != "" && (name == plain(c.name) || slices.Contains(strings.Fields(c.also), name)) {
			return i
		}
	}
	return -1
}

func (k kind[T]) known(header []string) (n int) {
	for _, h := range header {
		if k.column(h) >= 0 {
			n++
		}
	}
	return n
}

// read puts every row of a table into the draft, and gathers what is wrong.
func (k kind[T]) read(r *reader, t *table) {
	at := make([]int, len(t.header)) // the column of each cell
	first := map[int]string{}        // how the file calls each column
	for i, h := range t.header {
		at[i] = k.column(h)
		if at[i] < 0 {
			if h := strings.TrimSpace(h); h != "" {
				r.report.Unused = append(r.report.Unused, t.file+": "+h)
			}
			continue
		}
		if _, twice := first[at[i]]; twice {
			r.fault(t, 1, h, "stands for "+k.columns[at[i]].name+", as another column does")
			return
		}
		first[at[i]] = h
	}
	seen := map[string]int{}
	for _, l := range t.rows {
		k.readRow(r, t, l, at, first, seen)
	}
}

func (r *reader) fault(t *table, line int, column, message string) {
	r.report.Faults = append(r.report.Faults, Fault{t.file, line, strings.TrimSpace(column), message})
}

func (k kind[T]) readRow(r *reader, t *table, l line, at []int, first map[int]string, seen map[string]int) {
	called := func(name string) string { // as the file calls it
		for i, c := range k.columns {
			if h, ok := first[i]; ok && c.name == name {
				return h
			}
		}
		return name
	}
	r.row, r.holder, r.read = cells{}, "", false
	for i, c := range l.cells {
		if i < len(at) && at[i] >= 0 {
			r.row[k.columns[at[i]].name] = cellText(c)
		}
	}
	id, before := r.row["id"], []any(nil)
	var wrong rowFault
	if id == "" || k.name == "badges" {
		found, more, err := k.identify(r, r.row)
		if errors.As(err, &wrong) && (id == "" || !k.find1(r, id)) {
			r.fault(t, l.number, called(wrong.column), wrong.message)
			return
		}
		if before = more; id == "" {
			id = found
		}
	}
	if line, twice := seen[id]; twice {
		r.fault(t, l.number, called("id"), fmt.Sprintf("%s stands in line %d too", id, line))
		return
	}
	seen[id] = l.number
	for _, b := range before {
		if !r.put(t, l.number, b, called) {
			return
		}
		m := b.(lease.Member)
		r.report.Changes = append(r.report.Changes, Change{File: t.file, Line: l.number, Kind: "members", ID: string(m.ID), Action: "create", Fields: []Field{{"name", "", m.Name}, {"tenant", "", string(m.Tenant)}}})
	}
	old, there := k.find(r.book, id)
	v := old
	if !there {
		v = k.fresh(id)
		k.defaults(r, &v)
	}
	sound := true
	for _, name := range k.needs {
		if _, present := r.row[name]; !present && !there {
			r.fault(t, l.number, called(name), "is missing")
			sound = false
		}
	}
	for i, c := range k.columns {
		s, present := r.row[c.name]
		if _, has := first[i]; !has || c.set == nil || !present && there {
			continue
		}
		if err := c.set(r, &v, s); err != nil {
			r.fault(t, l.number, called(c.name), err.Error())
			sound = false
		}
	}
	if !sound {
		return
	}
	change := Change{File: t.file, Line: l.number, Kind: k.name, ID: id, Action: "create", Fields: k.differences(&old, &v, there)}
	if there && reflect.DeepEqual(old, v) || there && len(change.Fields) == 0 {
		change.Action = "keep"
		r.report.Changes = append(r.report.Changes, change)
		return
	}
	if there {
		change.Action = "change"
	}
	if r.put(t, l.number, v, called) {
		r.report.Changes = append(r.report.Changes, change)
	}
}

func (k kind[T]) find1(r *reader, id string) bool {
	_, ok := k.find(r.book, id)
	return ok
}

// defaults are those that depend on the import.
func (k kind[T]) defaults(r *reader, v *T) {
	switch x := any(v).(type) {
	case *lease.Member:
		x.Tenant = r.Tenant
	case *lease.Lease:
		x.Tenant = r.Tenant
		t, _ := r.book.Tenant(lease.TenantID(r.tenant(r.row["tenant"])))
		x.Site = t.Site
	}
}

// put puts a value into the draft and says what is wrong with it.
func (r *reader) put(t *table, line int, v any, called func(string) string) bool {
	err := r.draft.Put(v)
	var field *lease.FieldError
	var conflict *lease.ConflictError
	switch {
	case err == nil:
		if c, ok := v.(lease.Credential); ok {
			r.byHash[c.Lookup] = c.ID
		}
		return true
	case errors.As(err, &field):
		name, _, _ := strings.Cut(field.Field, "[")
		r.fault(t, line, called(name), field.Msg)
	case errors.As(err, &conflict):
		r.fault(t, line, called(conflict.Field), conflict.Msg)
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
