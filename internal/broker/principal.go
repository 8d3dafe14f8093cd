package broker

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Principal is who a connection belongs to.
type Principal struct {
	// Name identifies principals: a device's id; for API tokens, which share
	// the username "token", the token's id.
	Name      string
	Site      catalogue.SiteID
	Device    catalogue.DeviceID // devices and gateways
	Gateway   bool
	Token     bool
	Sites     []catalogue.SiteID // sites that a token is limited to; nil: all
	Anonymous bool
	// Until ends the connection; zero: it may stay.
	Until time.Time
}

// Authenticator returns who a username and password belong to; false is a
// refusal. It is called with ("", nil) only where anonymous clients are allowed
// and come from this machine. It must be safe for concurrent use.
type Authenticator interface {
	Authenticate(username string, password []byte) (Principal, bool)
}

// owner identifies whose a connection or a session is. A token may have the
// name of a device.
type owner struct {
	name             string
	token, anonymous bool
}

func (p Principal) owner() owner { return owner{p.Name, p.Token, p.Anonymous} }
