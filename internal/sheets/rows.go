package sheets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/tenancy"
)

// column finds the column that a header's cell means; -1: none.
func (k kind[T]) column(cell string) int {
	for _, name := range []string{plain(cell), plain(aside.ReplaceAllString(cell, " "))} {
		if i := slices.IndexFunc(k.columns, func(c column[T]) bool { return c.fits(name) }); i >= 0 {
			return i
		}
	}
	return -1
}

// aside is an addition to a column's name in a header: Loyer mensuel (€, HT).
var aside = regexp.MustCompile(`\([^)]*\)|\[[^\]]*\]`)

// known counts the header's columns that belong to the kind. It also reports
// whether one belongs to no other kind, and whether new records can be created
// from them.
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

// name returns the file's name for a column, or for the column that sets its
// field.
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
			r.fault(t, t.head, h, "means "+c.name+", like another column")
			return l, false
		}
		l.called[c.name] = h
		if c.field != "" {
			l.called["of "+c.field] = h
		}
	}
	return l, true
}

// read puts every row of a table into the draft, and collects faults.
func (k kind[T]) read(ctx context.Context, r *reader, t *table) error {
	l, ok := k.layout(r, t)
	r.seen = map[string]int{}
	r.headerSlips(t, &l)
	at := func(name string) int {
		return slices.IndexFunc(l.at, func(at int) bool { return at >= 0 && k.columns[at].name == name })
	}
	if uid := at("uid"); uid >= 0 && k.name == "badges" {
		r.badgeSlips(t, uid, at("decimal"))
	}
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
		m := b.(tenancy.Member)
		r.recordSlips(t, row, l, m, false)
		r.report.Changes = append(r.report.Changes,
			Change{
				File:   t.file,
				Line:   row.number,
				Kind:   "members",
				ID:     string(m.ID),
				Action: "create",
				Fields: []Field{{"name", "", m.Name}, {"tenant", "", string(m.Tenant)}},
			},
		)
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
	change := Change{
		File:   t.file,
		Line:   row.number,
		Kind:   k.name,
		ID:     id,
		Action: "create",
		Fields: k.differences(&old, &v, there),
	}
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
		r.recordSlips(t, row, l, v, there)
	}
}

// identified returns a row's id, which no other row of the sheet may have.
func (k kind[T]) identified(r *reader, t *table, row line, l *layout) (id string, before []any, ok bool) {
	id = r.row["id"]
	made := id == ""
	if made || k.name == "badges" { // whose member may be created
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
		r.fault(t,
			row.number,
			l.name(k.by),
			fmt.Sprintf("is the same as in line %d; if they are different records, give both an id", first),
		)
		return "", nil, false
	} else if twice {
		r.fault(t, row.number, l.name("id"), fmt.Sprintf("%s also occurs in line %d", id, first))
		return "", nil, false
	}
	r.seen[id] = row.number
	return id, before, true
}

// fill sets a record's fields from a row; it returns false where something is
// wrong.
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
			continue
		}
		r.cellSlips(t, row, k.name, c.name, l.name(c.name), s)
	}
	return sound
}

// defaults sets the fields whose defaults depend on the import.
func (k kind[T]) defaults(r *reader, v *T) {
	switch x := any(v).(type) {
	case *tenancy.Member:
		x.Tenant = r.Tenant
	case *tenancy.Lease:
		x.Tenant = r.Tenant
		id, _ := r.tenant(r.row["tenant"]) // reported where it is parsed
		t, _ := r.book.Tenant(tenancy.TenantID(id))
		x.Site = t.Site
	}
}

// put puts a record into the draft and reports whether that succeeded. Otherwise it adds a fault to the report.
func (r *reader) put(t *table, line int, v any, l *layout) bool {
	err := r.draft.Put(v)
	var field *tenancy.FieldError
	var conflict *tenancy.ConflictError
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

// differences returns the fields that changed, as an export writes them; of
// hashes it only tells that they differ.
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
