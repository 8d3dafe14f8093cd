// Package systemd holds the units of a service on a Debian machine, for totem init.
package systemd

import "embed"

// Files are the units, by their name.
//
//go:embed *.service *.timer
var Files embed.FS
