package broker

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Principal is who a connection belongs to.
type Principal struct {
	// Name tells principals apart: a device's id; for API tokens, which share
	// the username "token", the token's id.
	Name      string
	Site      catalogue.SiteID
	Device    catalogue.DeviceID // devices and gateways
	Gateway   bool
	Token     bool
	Sites     []catalogue.SiteID // that a token is held to; nil: all
	Anonymous bool
	// Until ends the connection; zero: it may stay.
	Until time.Time
}

// Authenticator says who a username and password belong to. It denies by
// default: false is a refusal. It is asked with ("", nil) only where the
// anonymous are allowed and come from this machine. It must be safe for
// concurrent use.
type Authenticator interface {
	Authenticate(username string, password []byte) (Principal, bool)
}

// owner is what tells whose a connection or a session is. A token may have the name of a device.
type owner struct {
	name             string
	token, anonymous bool
}

func (p Principal) owner() owner { return owner{p.Name, p.Token, p.Anonymous} }
