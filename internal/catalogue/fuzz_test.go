package catalogue

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// FuzzParse: no text makes Parse panic; every fault names the file; a network
// without fault is whole.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add(
		"network: A\ntimezone: UTC\nsites: [{id: a, name: A, city: A, holidays: fr, opening: &w [{days: [mon], from: 00:00, to: 24:00}]}]\n",
	)
	f.Add("a: &a [*a, *b]\n? {x: y}\n: |\n  text\n--- !!map {<<: *a}\n...")
	f.Add("{network: [], timezone: .inf, sites: {}, spaces: -1, devices: [{settings: {a: 1}, map: {b: true}}]}")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse("f.yaml", []byte(text))
		if err == nil {
			whole(t, n)
			return
		}
		if n != nil {
			t.Fatal("a network beside its faults")
		}
		var e *Error
		if !errors.As(err, &e) || e.Field == "" || e.Msg == "" {
			t.Fatalf("no fault in %v", err)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "f.yaml:") {
				t.Fatalf("%q names no file", line)
			}
		}
		if e.Line < 1 || e.Line > lines {
			t.Fatalf("line %d of %d: %v", e.Line, lines, err)
		}
	})
}

// whole fails where something in the network leads nowhere.
func whole(t *testing.T, n *Network) {
	t.Helper()
	for _, s := range n.Spaces {
		chain := n.Chain(s.ID)
		if n.Building(s.Building) == nil || n.Site(s.Site) == nil || !s.Kind.Valid() || s.Capacity < 1 ||
			!ValidID(string(s.ID)) {
			t.Fatalf("space %+v", s)
		}
		if top := n.Space(chain[len(chain)-1]); top == nil || top.Parent != "" {
			t.Fatalf("%s is reached by %v", s.ID, chain)
		}
	}
	for _, d := range n.Doors {
		if n.Space(d.To) == nil || d.From != Outside && n.Space(d.From) == nil || n.Site(d.Site) == nil {
			t.Fatalf("door %+v", d)
		}
	}
	for _, d := range n.Devices {
		onDoor, inSpace := n.Door(d.Door) != nil, n.Space(d.Space) != nil
		if onDoor != d.Kind.OnDoor() || inSpace == (onDoor || d.Kind == Gateway) || !d.Kind.Valid() ||
			(d.Kind == Reader) != (d.Direction != "") {
			t.Fatalf("device %+v", d)
		}
		if d.Adapter != "" && (d.Address == "" || !slices.Contains(Adapters(), d.Adapter)) {
			t.Fatalf("device %+v", d)
		}
	}
	n.Summary()
}
