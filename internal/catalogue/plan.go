package catalogue

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// PlanMost is the largest size of a building's plan, in bytes.
const PlanMost = 512 << 10

// The elements and attributes that a plan may use: shapes and texts, nothing
// that runs, loads or styles.
var (
	planElements = strings.Fields("svg g path rect circle ellipse line polyline polygon text tspan title desc")
	planSettings = strings.Fields(
		"id viewBox width height x y x1 y1 x2 y2 dx dy r rx ry cx cy d points transform fill fill-rule fill-opacity stroke stroke-width " +
			"stroke-linecap stroke-linejoin stroke-dasharray opacity font-size font-family font-weight text-anchor version preserveAspectRatio",
	)
)

// CheckPlan returns what is wrong with a building's plan, an SVG drawing: an
// element or attribute that is not allowed, a value that refers to something
// else, an id that is not a space of the building.
func (n *Network) CheckPlan(b BuildingID, svg []byte) error {
	if len(svg) > PlanMost {
		return fmt.Errorf("the plan has %d bytes, more than %d", len(svg), PlanMost)
	}
	d := xml.NewDecoder(bytes.NewReader(svg))
	d.Strict = true
	depth, drawn := 0, false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := d.InputPos()
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := n.checkElement(b, t, depth); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			depth, drawn = depth+1, true
		case xml.EndElement:
			depth--
		case xml.Directive:
			return fmt.Errorf("line %d: a plan must not contain a document type or entity", line)
		case xml.ProcInst:
			if t.Target != "xml" {
				return fmt.Errorf("line %d: a plan must not contain <?%s?>", line, t.Target)
			}
		}
	}
	if !drawn {
		return errors.New("the plan is empty")
	}
	return nil
}

func (n *Network) checkElement(b BuildingID, e xml.StartElement, depth int) error {
	const space = "http://www.w3.org/2000/svg"
	name := e.Name.Local
	switch {
	case depth == 0 && name != "svg":
		return fmt.Errorf("<%s>: a plan must be an <svg>", name)
	case e.Name.Space != space:
		return fmt.Errorf("<%s> is not in the namespace %s", name, space)
	case !slices.Contains(planElements, name):
		return fmt.Errorf("a plan must not contain <%s>", name)
	}
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if a.Name.Space != "" || !slices.Contains(planSettings, a.Name.Local) {
			return fmt.Errorf("a plan must not contain <%s %s>", name, a.Name.Local)
		}
		if v := strings.ToLower(a.Value); strings.Contains(v, "url(") || strings.Contains(v, "javascript:") ||
			strings.Contains(v, "//") {
			return fmt.Errorf("<%s %s> contains url(…), javascript: or //, which a plan must not", name, a.Name.Local)
		}
		if a.Name.Local == "id" {
			if sp := n.Space(SpaceID(a.Value)); sp == nil || sp.Building != b {
				return fmt.Errorf("<%s id=%q> is not a space of building %s", name, a.Value, b)
			}
		}
	}
	return nil
}
