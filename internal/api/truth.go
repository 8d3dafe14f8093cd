package api

import (
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// The OpenAPI document is generated from the Go types. This file adds what
// types cannot express.

// with adds what an operation may answer besides.
func with(op huma.Operation, errors ...int) huma.Operation {
	op.Errors = append(op.Errors, errors...)
	return op
}

// file describes an operation that answers with a file.
func file(op huma.Operation, mediaType string) huma.Operation {
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "OK",
			Content:     map[string]*huma.MediaType{mediaType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		},
	}
	return op
}

// tellNulls marks fields that hold an object or null: a reference to a schema
// cannot say so by itself.
func tellNulls(r huma.Registry) {
	const ref = "#/components/schemas/"
	for name, schema := range r.Map() {
		t := r.TypeFromRef(ref + name)
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for _, f := range reflect.VisibleFields(t) {
			key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			of := schema.Properties[key]
			if of == nil || of.Ref == "" || f.Type.Kind() != reflect.Pointer || f.Type.Elem() == reflect.TypeFor[time.Time]() ||
				strings.Contains(options, "omitempty") {
				continue
			}
			schema.Properties[key] = &huma.Schema{
				Description: f.Tag.Get("doc"),
				AnyOf:       []*huma.Schema{{Ref: of.Ref}, {Type: "null"}},
			}
		}
	}
}
