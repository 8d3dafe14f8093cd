package broker

import (
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Reasons for which a publication is denied, as the rejected message shows
// them.
const (
	// DeniedTopic: nobody publishes on this topic; it is not a topic up.
	DeniedTopic = "topic"
	// DeniedSender: it is a topic up, but not this sender's.
	DeniedSender = "not-allowed"
)

// root begins every topic of Totem's own.
const root = wire.Prefix + "/"

// rules decides by rules 3.7. Whatever they do not name is denied.
type rules struct {
	network *catalogue.Network
	foreign Foreign // nil: there are no real devices
}

// Foreign knows the topics of real devices that speak their own payloads.
type Foreign interface {
	// Owners returns the devices that publish on a topic; known reports whether
	// it is a topic of such devices at all, even of one that the catalogue does
	// not have.
	Owners(topic string) (owners []*catalogue.Device, known bool)
	// Commanded returns the devices that are sent commands on a topic.
	Commanded(topic string) []*catalogue.Device
}

// publish returns why p may not publish on the topic; empty: it may.
//
// Any topic up of p's own is allowed whatever the device's kind: a message of a
// kind that its device does not send must arrive to be kept as rejected.
func (r rules) publish(p Principal, topic string) (denied string) {
	if !strings.HasPrefix(topic, root) && r.foreign != nil {
		return r.publishForeign(p, topic)
	}
	site, device, what, ok := wire.SplitTopic(topic)
	if !ok || device == wire.Live || !catalogue.Slug(site) || !catalogue.Slug(device) || !wire.IsUp(what) {
		return DeniedTopic
	}
	switch {
	case p.Anonymous:
		return ""
	case p.Token || site != string(p.Site):
		return DeniedSender
	case p.Gateway:
		if d := r.network.Device(catalogue.DeviceID(device)); d != nil && d.Site != p.Site {
			return DeniedSender
		}
		if device == string(p.Device) && what == string(wire.Status) || r.carries(p, topic) {
			return ""
		}
		return DeniedSender
	case p.Device != "" && device == string(p.Device):
		return ""
	}
	return DeniedSender
}

// publishForeign does the same for real devices' own topics. A device may publish
// on its own topics; a gateway on those of its site's devices, and on those of
// devices that are not in the catalogue yet.
func (r rules) publishForeign(p Principal, topic string) (denied string) {
	owners, known := r.foreign.Owners(topic)
	switch {
	case !known:
		return DeniedTopic
	case p.Anonymous:
		return ""
	case p.Gateway && !r.carries(p, topic):
		return DeniedSender
	case p.Gateway && len(owners) == 0, p.Device != "" && r.ownsAny(p, owners):
		return ""
	}
	return DeniedSender
}

// ownsAny reports whether one of the devices is p's.
func (r rules) ownsAny(p Principal, devices []*catalogue.Device) bool {
	return slices.ContainsFunc(devices, func(d *catalogue.Device) bool {
		return d.ID == p.Device || p.Gateway && d.Site == p.Site
	})
}

// read reports whether p may subscribe to a filter, or be sent a topic. A topic
// is a filter without wildcards, and a filter must not cover a topic that would
// be denied by itself.
func (r rules) read(p Principal, filter string) bool {
	if p.Anonymous {
		return strings.HasPrefix(filter, root)
	}
	site, device, what, ok := wire.SplitTopic(filter)
	switch {
	case !ok && p.Gateway && r.bridged(p) != nil:
		return !strings.HasPrefix(filter, "totem/") && r.carries(p, filter) && !r.commandsElsewhere(p, filter)
	case !ok:
		return r.foreign != nil && p.Device != "" && r.ownsAny(p, r.foreign.Commanded(filter))
	case p.Token:
		return device == wire.Live && r.live(site, what) &&
			(p.Sites == nil || site == "+" || slices.Contains(p.Sites, catalogue.SiteID(site)))
	case site != string(p.Site):
		return false
	case p.Gateway:
		return wire.IsDown(what) && (device == "+" || r.at(device, p.Site)) && r.carries(p, filter)
	}
	return p.Device != "" && device == string(p.Device) && (what == "+" || wire.IsDown(what))
}

// commandsElsewhere reports whether a topic carries commands to devices of other sites only.
// It need not expand the wildcards of a filter: read is called again with the topic of each
// message before it is sent.
func (r rules) commandsElsewhere(p Principal, topic string) bool {
	if r.foreign == nil {
		return false
	}
	commanded := r.foreign.Commanded(topic)
	return len(commanded) > 0 && !r.ownsAny(p, commanded)
}

// bridged returns the filters of a bridge; nil: the gateway serves its whole site.
func (r rules) bridged(p Principal) []string {
	if d := r.network.Device(p.Device); d != nil {
		return d.Topics
	}
	return nil
}

// carries reports whether the catalogue lets a gateway use a topic or filter. A gateway
// without topics of its own may use any; a bridge only those that its topics cover.
func (r rules) carries(p Principal, filter string) bool {
	d := r.network.Device(p.Device)
	if d == nil || d.Kind != catalogue.Gateway { // it was one when it connected
		return false
	}
	topics := d.Topics
	return topics == nil || slices.ContainsFunc(topics, func(t string) bool { return wire.CoversFilter(t, filter) })
}

// live reports whether site and space, which may be wildcards, name live
// topics.
func (r rules) live(site, space string) bool {
	if site != "+" && r.network.Site(catalogue.SiteID(site)) == nil {
		return false
	}
	if space == "+" || space == "#" {
		return true
	}
	s := r.network.Space(catalogue.SpaceID(space))
	return s != nil && (site == "+" || string(s.Site) == site)
}

func (r rules) at(device string, site catalogue.SiteID) bool {
	d := r.network.Device(catalogue.DeviceID(device))
	return d != nil && d.Site == site
}

// mayUseID reports whether a client may use a client id (rules 3.7): its
// username, or the username, a colon and a suffix. Anonymous clients may use any id
// except those of devices and token holders, whose sessions they would get.
func (r rules) mayUseID(p Principal, username, id string) bool {
	if len(id) > 256 {
		return false
	}
	owner, _, _ := strings.Cut(id, ":")
	if p.Anonymous {
		return owner != "token" && r.network.Device(catalogue.DeviceID(owner)) == nil
	}
	return username != "" && owner == username && !strings.Contains(username, ":")
}
