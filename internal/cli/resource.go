package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

func (r Resource) path(id string) string { return r.Path + "/" + url.PathEscape(id) }

// Show prints one record as JSON, as it can be put again.
func (c Client) Show(ctx context.Context, w io.Writer, r Resource, id string) error {
	var v json.RawMessage
	if err := c.get(ctx, r.path(id), nil, &v); err != nil {
		return err
	}
	return writeJSON(w, v)
}

// Remove deletes a record.
func (c Client) Remove(ctx context.Context, w io.Writer, r Resource, id string) error {
	if err := c.send(ctx, http.MethodDelete, r.path(id), nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "The %s %s is deleted.\n", r.One, id)
	return err
}

// Put makes or changes a record. body is its JSON; where it is empty, Put begins with the record as it is. Each of the
// settings, as name=Forge, replaces one field. If somebody else changes the record meanwhile, Put fails.
func (c Client) Put(ctx context.Context, w io.Writer, r Resource, id string, body []byte, settings []string) error {
	if len(body) == 0 && len(settings) == 0 {
		return Wrong("there is nothing to put: give --file FILE (- for the input) or --set FIELD=VALUE")
	}
	now, etag, err := c.present(ctx, r.path(id))
	if err != nil {
		return err
	}
	record := map[string]json.RawMessage{}
	switch {
	case len(body) > 0:
		if err := json.Unmarshal(body, &record); err != nil || record == nil {
			return Wrong("--file: it is not a JSON object: %v", cmp.Or(err, errors.New("null")))
		}
	case now != nil:
		record = now
	}
	types := c.types(ctx, r)
	for _, s := range settings {
		field, value, ok := strings.Cut(s, "=")
		if !ok {
			return Wrong("--set: %q is not like name=Forge", s)
		}
		record[field] = literal(value, types[field])
	}
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.address(r.path(id)), bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if etag != "" {
		req.Header.Set("If-Match", etag)
	}
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := decode(resp, &answer); err != nil {
		return err
	}
	return writeJSON(w, answer)
}

// present returns a record's fields and version; nil where there is none.
func (c Client) present(ctx context.Context, path string) (now map[string]json.RawMessage, etag string, err error) {
	resp, err := c.do(ctx, path, nil, "")
	if refused, ok := errors.AsType[*Refused](err); ok && strings.HasPrefix(refused.Status, "404") {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	etag = resp.Header.Get("ETag")
	return now, etag, decode(resp, &now)
}

// types returns the types of a record's fields, as the service's OpenAPI document says
// them; empty where it cannot be read.
func (c Client) types(ctx context.Context, r Resource) map[string]string {
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Type any }
			}
		}
	}
	if err := c.get(ctx, "/openapi.json", nil, &doc); err != nil {
		return nil
	}
	ref := doc.Paths[r.Path+"/{id}"]["put"].RequestBody.Content["application/json"].Schema.Ref
	types := map[string]string{}
	for name, p := range doc.Components.Schemas[path.Base(ref)].Properties {
		text := fmt.Sprint(p.Type) // one type, or several as [array null]
		for _, t := range []string{"array", "string", "integer", "number", "boolean", "object"} {
			if strings.Contains(text, t) {
				types[name] = t
				break
			}
		}
		if strings.Contains(text, "null") {
			types[name] += " null"
		}
	}
	return types
}

// literal is a value as JSON, by the type of its field: a list's entries have commas
// between them; null and an empty value clear a field that may be null.
func literal(value, kind string) json.RawMessage {
	kind, nullable := strings.CutSuffix(kind, " null")
	var v any = value
	switch {
	case nullable && (value == "null" || value == ""):
		return json.RawMessage("null")
	case kind == "array" && !strings.HasPrefix(value, "["):
		list := []string{}
		for e := range strings.SplitSeq(value, ",") {
			if e = strings.TrimSpace(e); e != "" {
				list = append(list, e)
			}
		}
		v = list
	case kind != "string" && json.Valid([]byte(value)):
		return json.RawMessage(value)
	}
	text, _ := json.Marshal(v) // texts and lists of texts
	return text
}
