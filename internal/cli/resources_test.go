package cli_test

import (
	"encoding/json"
	"os"
	"path"
	"slices"
	"testing"

	"github.com/lorntech/totem/internal/cli"
)

// The help of put lists the fields that the API describes, and marks those that it requires.
func TestPutHelpListsTheFieldsOfTheAPI(t *testing.T) {
	data, err := os.ReadFile("../../dashboards/web/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
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
				Required   []string
				Properties map[string]struct{ ReadOnly bool }
			}
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	for kind, r := range cli.Resources {
		ref := doc.Paths[r.Path+"/{id}"]["put"].RequestBody.Content["application/json"].Schema.Ref
		schema := doc.Components.Schemas[path.Base(ref)]
		if len(schema.Properties) == 0 || r.Example == "" {
			t.Errorf("%s: no schema, or no example", kind)
		}
		var want, got []string
		for name, p := range schema.Properties {
			if name != "id" && !p.ReadOnly {
				want = append(want, name)
			}
		}
		for _, f := range r.Fields {
			got = append(got, f.Name)
			if f.Required != slices.Contains(schema.Required, f.Name) {
				t.Errorf("%s: is %s required?", kind, f.Name)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the help has %v, the API %v", kind, got, want)
		}
	}
}
