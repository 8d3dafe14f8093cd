package catalogue

import (
	"strings"
	"testing"
)

func TestAPlanDrawsSpacesAndNothingElse(t *testing.T) {
	n, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">`
	good := `<?xml version="1.0"?>` + head + `<g transform="scale(2)"><rect id="metz-hall" x="0" y="0" width="5" height="5" fill="none"/><text x="1" y="1">Hall</text></g></svg>`
	if err := n.CheckPlan("metz-blida", []byte(good)); err != nil {
		t.Errorf("a good plan: %v", err)
	}
	for _, bad := range []string{
		"", "no drawing", `<html/>`, head + `<script>alert(1)</script></svg>`, head + `<rect onclick="x()"/></svg>`, head + `<foreignObject/></svg>`,
		head + `<rect style="fill:red"/></svg>`, head + `<a href="/"><rect/></a></svg>`, head + `<style>*{}</style></svg>`, head + `<image href="x"/></svg>`,
		head + `<rect id="nancy-hall"/></svg>`, head + `<rect id="nowhere"/></svg>`, head + `<rect fill="url(https://example.org)"/></svg>`, head + `<use xlink:href="#x"/></svg>`,
		`<!DOCTYPE svg [<!ENTITY x "y">]>` + head + `</svg>`, head + `<rect>`, `<svg viewBox="0 0 1 1"><rect/></svg>`, `<?xml-stylesheet href="x"?>` + head + `</svg>`,
		head + `<rect xmlns:x="http://example.org" x:href="y"/></svg>`, head + strings.Repeat(" ", PlanMost) + `</svg>`,
	} {
		if err := n.CheckPlan("metz-blida", []byte(bad)); err == nil {
			t.Errorf("taken: %.120s", bad)
		}
	}
}

func FuzzPlan(f *testing.F) {
	n, err := Default()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><rect id="metz-hall"/></svg>`))
	f.Fuzz(func(t *testing.T, svg []byte) {
		if n.CheckPlan("metz-blida", svg) != nil {
			return
		}
		for _, word := range []string{"<script", "<style", "<image", "<use", "<foreignobject", "<!doctype"} {
			if strings.Contains(strings.ToLower(string(svg)), word) && !strings.Contains(string(svg), "<!--") &&
				!strings.Contains(string(svg), "CDATA") {
				t.Fatalf("taken: %s", svg)
			}
		}
	})
}
