// Package admin holds the commands that work on a data folder by themselves:
// tokens, keys, verification, the series, a Mosquitto's files, the catalogues of
// the past. The service of the folder may be running; each function says so.
//
//	audit, err := admin.VerifyAudit(ctx, settings.Config{Data: "./totem-data"}, os.Stderr)
//
// Commands that ask a running service over HTTP are package cli's.
package admin

// Actor is the actor of the commands' acts in the audit chain.
const Actor = "cli"
