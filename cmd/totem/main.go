// Command totem is the building-access and occupancy service of LORnTECH: one
// binary, whose commands are below. It parses flags, calls internal packages
// and exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a zone database, for machines and images that have none

	"github.com/alecthomas/kong"

	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/settings"
)

const description = "Who may pass, who is there, what was used: " +
	"the access and occupancy service of the LORnTECH buildings."

// commandLine lists every command with its flags; kong makes help and errors
// from it.
type commandLine struct {
	Demo   demoCmd   `cmd:"" group:"Start" help:"Four simulated buildings with recent history and live people: start here."`
	Init   initCmd   `cmd:"" group:"Start" help:"Write a catalogue to start from, settings and systemd units."`
	Doctor doctorCmd `cmd:"" group:"Start" help:"Look at clock, disk, ports, broker, InfluxDB, keys, backups; say what is wrong and what to do."`
	Serve  serveCmd  `cmd:"" group:"Start" help:"The whole service in one process."`
	Ingest ingestCmd `cmd:"" group:"Start" help:"The service on one of several machines: it decides and records, or waits for its turn."`
	API    apiCmd    `cmd:"" group:"Start" name:"api" help:"The API and the page on one of several machines: passes requests on to the machine that serves."`

	Availability availabilityCmd `cmd:"" group:"Every day" help:"What is free now; --watch prints each change."`
	Reads        readsCmd        `cmd:"" group:"Every day" help:"Who badged where, and what was decided; --follow prints each as it comes."`
	Access       accessCmd       `cmd:"" group:"Every day" help:"Who may pass, and why."`
	Doors        doorsCmd        `cmd:"" group:"Every day" help:"Doors: list them, open one once."`
	Lockdown     lockdownCmd     `cmd:"" group:"Every day" help:"Begin and end a site's lockdown, see who has confirmed it."`
	Rollcall     rollcallCmd     `cmd:"" group:"Every day" help:"Who is in a building, by badges and sensors."`
	Alarms       alarmsCmd       `cmd:"" group:"Every day" help:"Alarms: list them, acknowledge one."`
	Devices      devicesCmd      `cmd:"" group:"Every day" help:"Devices: list them, make a secret, see unknown ones, watch what arrives."`
	Rejects      rejectsCmd      `cmd:"" group:"Every day" help:"Messages that were rejected, and why."`

	Tenants   resourceCmd `cmd:"" group:"People and leases" help:"Tenants: list, show, put, delete."`
	Members   resourceCmd `cmd:"" group:"People and leases" help:"Members: list, show, put, delete."`
	Badges    resourceCmd `cmd:"" group:"People and leases" help:"Badges (credentials): list, show, put, delete."`
	Schedules resourceCmd `cmd:"" group:"People and leases" help:"Schedules: list, show, put, delete."`
	Plans     resourceCmd `cmd:"" group:"People and leases" help:"Plans: list, show, put, delete."`
	Leases    resourceCmd `cmd:"" group:"People and leases" help:"Leases: list, show, put, delete."`
	Pass      passCmd     `cmd:"" group:"People and leases" help:"Visitors' passes: create one with its QR code, end one."`
	Passes    resourceCmd `cmd:"" group:"People and leases" help:"Visitors' passes: list, show, put, delete."`
	Events    eventsCmd   `cmd:"" group:"People and leases" help:"Events, and how many came."`
	Import    importCmd   `cmd:"" group:"People and leases" help:"Read tenants, members, badges, plans or leases from a spreadsheet's CSV, or a whole export."`
	Export    exportCmd   `cmd:"" group:"People and leases" help:"Write all tenants, members, badges, plans, leases, passes and events as CSV files in a zip."`

	Usage      usageCmd      `cmd:"" group:"Figures and bills" help:"What was used, by site, building, kind, space or hour of the week."`
	Occupancy  occupancyCmd  `cmd:"" group:"Figures and bills" help:"How full a space was, in buckets of an hour or another length."`
	Hours      hoursCmd      `cmd:"" group:"Figures and bills" help:"Measured hours, and what they are made of."`
	Visits     visitsCmd     `cmd:"" group:"Figures and bills" help:"Visits: look at them, correct them, undo a correction."`
	Statements statementsCmd `cmd:"" group:"Figures and bills" help:"What leases owe for a month: issue, list, print, hand to accounting."`
	Rents      rentsCmd      `cmd:"" group:"Figures and bills" help:"What rents the use of spaces suggests; revise one."`
	Charter    charterCmd    `cmd:"" group:"Figures and bills" help:"Which spaces of the charter each site offers, and which are missing."`

	Series     seriesCmd     `cmd:"" group:"Running it" help:"The series of minutes: rebuild it, compare it with InfluxDB."`
	Catalogue  catalogueCmd  `cmd:"" group:"Running it" help:"The catalogue of sites, spaces, doors and devices."`
	Broker     brokerCmd     `cmd:"" group:"Running it" help:"An outside broker."`
	Token      tokenCmd      `cmd:"" group:"Running it" help:"Make a token for the API, on the service's machine."`
	Tokens     tokensCmd     `cmd:"" group:"Running it" help:"Tokens for the API: list them, revoke one."`
	Keys       keysCmd       `cmd:"" group:"Running it" help:"The keys that sites sign with."`
	Backup     backupCmd     `cmd:"" group:"Running it" help:"Write everything into one sealed file, of a running service too."`
	Restore    restoreCmd    `cmd:"" group:"Running it" help:"Make a data folder from a backup, after checking all of it."`
	Ledger     ledgerCmd     `cmd:"" group:"Running it" help:"The ledger's database."`
	Audit      auditCmd      `cmd:"" group:"Running it" help:"The audit chain over reads, decisions and administrative acts."`
	Bench      benchCmd      `cmd:"" group:"Running it" help:"Measure this machine: decisions, latency, throughput, start, memory, each against its floor."`
	Accuracy   accuracyCmd   `cmd:"" group:"Running it" help:"Run simulated weeks with faults and compare the figures with what really happened."`
	Health     healthCmd     `cmd:"" group:"Running it" help:"Ask a running service whether it is ready; fails if it is not."`
	Completion completionCmd `cmd:"" group:"Running it" help:"Print a script that completes commands in a shell: eval \"$(totem completion bash)\"."`
	Manual     manualCmd     `cmd:"" group:"Running it" help:"Print the manual page: totem manual | man -l -."`
	Version    versionCmd    `cmd:"" group:"Running it" help:"Print the version."`

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
	c := commandLine{
		Tenants: newResource("tenants"), Members: newResource("members"), Badges: newResource("badges"),
		Schedules: newResource("schedules"), Plans: newResource("plans"), Leases: newResource("leases"),
		Passes: newResource("passes"), Events: eventsCmd{resourceCmd: newResource("events")},
	}
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
	log := newLog(c.LogLevel)
	for _, says := range settings.Unknown(os.Environ(), variables(parser)) {
		log.Warn(says)
	}
	out := &printer{to: os.Stdout} //nolint:forbidigo // the printer itself
	err = k.Run(log, flagsOf(k), out)
	if err == nil && out.err != nil {
		err = fmt.Errorf("print: %w", out.err)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "totem:", err)
		if _, wrong := errors.AsType[*cli.CallError](err); wrong {
			return 2
		}
		return 1
	}
	return 0
}

// variables lists the environment variables that any command reads, and those of the
// compose file.
func variables(parser *kong.Kong) []string {
	names := []string{"TOTEM_MQTT_PASSWORD", "TOTEM_MQTT_HOST", "TOTEM_WORLDS"}
	for _, leaf := range parser.Model.Leaves(false) {
		for _, group := range leaf.AllFlags(false) {
			for _, f := range group {
				names = append(names, f.Envs...)
			}
		}
	}
	return names
}

// flagsSet records whether --data was given, as a flag or in the environment.
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
	ours := []string{"TOTEM_URL", "TOTEM_CA", "TOTEM_TOKEN", "TOTEM_LOG_LEVEL", "TOTEM_BACKUP_RECIPIENT"}
	for _, name := range append(settings.Variables(), ours...) {
		if os.Getenv(name) == "" {
			os.Unsetenv(name)
		}
	}
}
