// Command totem is the building-access and occupancy service of LORnTECH: one
// binary, whose commands are below. It parses flags, calls internal packages
// and exits.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a zone database, for machines and images that have none

	"github.com/alecthomas/kong"

	"github.com/lorntech/totem/internal/settings"
)

const description = "Who may pass, who is there, what was used: " +
	"the access and occupancy service of the LORnTECH buildings."

// commandLine lists every command with its flags; kong makes help and errors
// from it.
type commandLine struct {
	Demo       demoCmd       `cmd:"" help:"Four simulated buildings with recent history and live people: start here."`
	Serve      serveCmd      `cmd:"" help:"The whole service in one process."`
	Ingest     ingestCmd     `cmd:"" help:"The service on one of several machines: it decides and records, or waits for its turn."`
	API        apiCmd        `cmd:"" name:"api" help:"The API and the page on one of several machines: passes requests on to the machine that serves."`
	Usage      usageCmd      `cmd:"" help:"What was used, by site, building, kind, space or hour of the week."`
	Occupancy  occupancyCmd  `cmd:"" help:"How full a space was, in buckets of an hour or another length."`
	Hours      hoursCmd      `cmd:"" help:"Measured hours, and what they are made of."`
	Visits     visitsCmd     `cmd:"" help:"Visits: look at them, correct them, undo a correction."`
	Pass       passCmd       `cmd:"" help:"Visitors' passes: create one with its QR code, end one."`
	Events     eventsCmd     `cmd:"" help:"Events, and how many came."`
	Statements statementsCmd `cmd:"" help:"What leases owe for a month: issue, list, print, hand to accounting."`
	Rents      rentsCmd      `cmd:"" help:"What rents the use of spaces suggests; revise one."`
	Charter    charterCmd    `cmd:"" help:"Which spaces of the charter each site offers, and which are missing."`
	Import     importCmd     `cmd:"" help:"Read tenants, members, badges, plans or leases from a spreadsheet's CSV, or a whole export."`
	Export     exportCmd     `cmd:"" help:"Write all tenants, members, badges, plans, leases, passes and events as CSV files in a zip."`
	Devices    devicesCmd    `cmd:"" help:"The devices of a running service."`
	Series     seriesCmd     `cmd:"" help:"The series of minutes: rebuild it, compare it with InfluxDB."`
	Catalogue  catalogueCmd  `cmd:"" help:"The catalogue of sites, spaces, doors and devices."`
	Broker     brokerCmd     `cmd:"" help:"An outside broker."`
	Token      tokenCmd      `cmd:"" help:"Tokens for the API."`
	Keys       keysCmd       `cmd:"" help:"The keys that sites sign with."`
	Backup     backupCmd     `cmd:"" help:"Write everything into one sealed file, of a running service too."`
	Restore    restoreCmd    `cmd:"" help:"Make a data folder from a backup, after checking all of it."`
	Ledger     ledgerCmd     `cmd:"" help:"The ledger's database."`
	Audit      auditCmd      `cmd:"" help:"The audit chain over reads, decisions and administrative acts."`
	Bench      benchCmd      `cmd:"" help:"Measure this machine: decisions, latency, throughput, start, memory, each against its floor."`
	Accuracy   accuracyCmd   `cmd:"" help:"Run simulated weeks with faults and compare the figures with what really happened."`
	Health     healthCmd     `cmd:"" help:"Ask a running service whether it is ready; fails if it is not."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	LogLevel string `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"TOTEM_LOG_LEVEL"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is main without the process. It returns the exit code: 0 done, 1 failed,
// 2 called wrongly.
func run(ctx context.Context, args []string) int {
	clearEmpty()
	var c commandLine
	parser, err := kong.New(
		&c,
		kong.Name("totem"),
		kong.Description(description),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "totem:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "totem: %s\nSee totem --help.\n", err)
		return 2
	}
	if err := k.Run(newLog(c.LogLevel), flagsOf(k)); err != nil {
		fmt.Fprintln(os.Stderr, "totem:", err)
		return 1
	}
	return 0
}

// flagsSet returns the settings that were given as flags or in the environment.
type flagsSet struct{ data bool }

func flagsOf(k *kong.Context) *flagsSet {
	_, env := os.LookupEnv("TOTEM_DATA")
	f := &flagsSet{data: env}
	for _, p := range k.Path {
		if p.Flag != nil && p.Flag.Name == "data" {
			f.data = true
		}
	}
	return f
}

// clearEmpty removes empty environment variables: an empty setting is unset
// (rules 13.1).
func clearEmpty() {
	for _, name := range append(settings.Variables(), "TOTEM_URL", "TOTEM_TOKEN") {
		if os.Getenv(name) == "" {
			os.Unsetenv(name)
		}
	}
}
