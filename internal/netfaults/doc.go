// Package netfaults spoils the network between devices, broker, Totem and
// InfluxDB with Toxiproxy, and measures what somebody at a door sees of it:
//
//	make network   # the rows of docs/reliability.md, "A bad network"
//
// It is a module of its own, so that Totem does not depend on Toxiproxy.
package netfaults
