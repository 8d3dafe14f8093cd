package people

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
)

// Times returns a network that is so many times as large, for trying what a large network
// needs. It repeats every site: in the ids of the copies, -2, -3 … follows the site's id.
// The devices of the copies speak Totem's own payloads.
func Times(n *catalogue.Network, times int) *catalogue.Network {
	out := catalogue.Network{Name: n.Name, Zone: n.Zone}
	for i := 1; i <= times; i++ {
		again := func(id string) string {
			if i == 1 || id == "" || id == string(catalogue.Outside) {
				return id
			}
			for _, s := range n.Sites {
				if rest, ok := strings.CutPrefix(id, string(s.ID)); ok && (rest == "" || rest[0] == '-') {
					return fmt.Sprintf("%s-%d%s", s.ID, i, rest)
				}
			}
			return fmt.Sprintf("%s-%d", id, i)
		}
		site := func(id catalogue.SiteID) catalogue.SiteID { return catalogue.SiteID(again(string(id))) }
		space := func(id catalogue.SpaceID) catalogue.SpaceID { return catalogue.SpaceID(again(string(id))) }
		for _, s := range n.Sites {
			s.ID = site(s.ID)
			out.Sites = append(out.Sites, s)
		}
		for _, b := range n.Buildings {
			b.ID, b.Site, b.Plan = catalogue.BuildingID(again(string(b.ID))), site(b.Site), ""
			out.Buildings = append(out.Buildings, b)
		}
		for _, s := range n.Spaces {
			s.ID, s.Parent, s.Was = space(s.ID), space(s.Parent), ""
			s.Building = catalogue.BuildingID(again(string(s.Building)))
			out.Spaces = append(out.Spaces, s)
		}
		for _, d := range n.Doors {
			d.ID, d.From, d.To = catalogue.DoorID(again(string(d.ID))), space(d.From), space(d.To)
			out.Doors = append(out.Doors, d)
		}
		for _, d := range n.Devices {
			d.ID, d.Site, d.Space = catalogue.DeviceID(again(string(d.ID))), site(d.Site), space(d.Space)
			d.Door = catalogue.DoorID(again(string(d.Door)))
			if i > 1 { // real devices are there once
				d.Adapter, d.Address, d.Settings, d.Map, d.Topics = "", "", nil, nil, nil
			}
			out.Devices = append(out.Devices, d)
		}
	}
	return catalogue.New(out)
}

// WriteCatalogue writes a network as a catalogue file, an entry a line.
func WriteCatalogue(w io.Writer, n *catalogue.Network) error {
	if _, err := fmt.Fprintf(w, "network: %s\ntimezone: %s\n", n.Name, n.Zone); err != nil {
		return err
	}
	return errors.Join(
		section(w, "sites", n.Sites),
		section(w, "buildings", n.Buildings),
		section(w, "spaces", n.Spaces, "site"),
		section(w, "doors", n.Doors, "site"),
		section(w, "devices", n.Devices),
	)
}

// section writes the parts of one kind. JSON is YAML; what follows from other parts is
// left out.
func section[T any](w io.Writer, name string, list []T, without ...string) error {
	if _, err := fmt.Fprintf(w, "%s:\n", name); err != nil {
		return err
	}
	for i := range list {
		text, err := json.Marshal(&list[i])
		if err != nil {
			return err
		}
		if len(without) > 0 {
			var fields map[string]any
			if err := json.Unmarshal(text, &fields); err != nil {
				return err
			}
			for _, f := range without {
				delete(fields, f)
			}
			if text, err = json.Marshal(fields); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "  - %s\n", text); err != nil {
			return err
		}
	}
	return nil
}
