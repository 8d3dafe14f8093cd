package api

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
)

const (
	csvType  = "text/csv"
	htmlType = "text/html"
)

// csvPaths returns the paths that answer with a table where CSV is asked for.
func csvPaths() []string {
	return []string{"/v1/usage", "/v1/occupancy", "/v1/hours", "/v1/calibration", "/v1/charter", "/v1/statements"}
}

// formats returns the encoders: JSON, CSV for tables, HTML for what is printed.
func formats() map[string]huma.Format {
	strict := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decodeStrictly}
	return map[string]huma.Format{
		"application/json": strict,
		"json":             strict,
		csvType:            {Marshal: marshalCSV},
		htmlType:           {Marshal: marshalHTML},
	}
}

// printed is a body that can be written as a page.
type printed interface{ print(w io.Writer) error }

func marshalHTML(w io.Writer, v any) error {
	p, ok := v.(printed)
	if !ok {
		return huma.DefaultJSONFormat.Marshal(w, v)
	}
	return p.print(w)
}

// negotiate rewrites Accept to JSON on paths that have no CSV or HTML form.
// A body without a Content-Type, or with the one that curl -d sends, is taken for JSON.
func negotiate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		statement := strings.HasPrefix(r.URL.Path, "/v1/statements/")
		accept := r.Header.Get("Accept")
		if strings.Contains(accept, csvType) && !slices.Contains(csvPaths(), r.URL.Path) && !statement ||
			strings.Contains(accept, htmlType) && strings.HasPrefix(r.URL.Path, "/v1/") && !statement {
			r.Header.Set("Accept", "application/json")
		}
		if t := r.Header.Get("Content-Type"); t == "" || strings.HasPrefix(t, "application/x-www-form-urlencoded") {
			r.Header.Set("Content-Type", "application/json")
		}
		next.ServeHTTP(w, r)
	})
}

// wantsCSV reports whether a request asks for a table. A table has all rows,
// not a page of them.
func wantsCSV(accept string) bool { return strings.Contains(accept, csvType) }

// table is a body that can be written as CSV: a slice of flat structs.
type table interface {
	rows() any
	french() bool // with semicolons, decimal commas and a byte order mark
}

// marshalCSV writes a table: a line with the names of the JSON fields, then a
// line for each row. Null is empty.
func marshalCSV(w io.Writer, v any) error {
	t, ok := v.(table)
	if !ok {
		return fmt.Errorf("%T is not a table", v)
	}
	list := reflect.ValueOf(t.rows())
	out := csv.NewWriter(w)
	out.UseCRLF = true // line ends of RFC 4180
	if t.french() {
		out.Comma = ';'
		if _, err := io.WriteString(w, "\ufeff"); err != nil {
			return err
		}
	}
	fields := columns(list.Type().Elem())
	header := make([]string, len(fields))
	for i, f := range fields {
		header[i] = columnName(f)
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range list.Len() {
		row := make([]string, len(fields))
		for k, f := range fields {
			row[k] = cell(list.Index(i).FieldByIndex(f.Index), t.french())
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// columns returns the fields of a row, with those of embedded structs.
func columns(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous && f.IsExported() && columnName(f) != "-" {
			out = append(out, f)
		}
	}
	return out
}

func columnName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func cell(v reflect.Value, french bool) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if i, ok := reflect.TypeAssert[catalogue.Instant](v); ok {
		b, _ := i.MarshalJSON() // an instant can always be encoded
		return strings.Trim(string(b), `"`)
	}
	if text, ok := reflect.TypeAssert[fmt.Stringer](v); ok {
		return text.String()
	}
	switch v.Kind() {
	case reflect.Float64:
		s := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if french {
			s = strings.Replace(s, ".", ",", 1)
		}
		return s
	case reflect.String:
		return guard(v.String())
	}
	return fmt.Sprint(v.Interface())
}

// guard keeps a spreadsheet from reading a text as a formula.
func guard(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
