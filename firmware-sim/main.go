// Command firmware-sim simulates the readers, sensors and people of a catalogue
// and publishes what their devices would, to any broker: weeks of history as
// fast as the service takes it, or live from now on.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a zone database, for machines and images that have none

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"
	"github.com/lorntech/totem/internal/cli"
)

const description = `Readers, sensors and people of the LORnTECH buildings, without the buildings.

Readers behave as their firmware does: they ask, wait one second by their own clock, check the decision's signature,
decide by their allowlist where no decision comes, keep what they could not send and send it later with the same ids.
Sensors follow the people, and the truth file says who really was where. The same seed and days give the same messages,
to the byte.

Against a running demo (totem demo), nothing but this is needed:
  go run ./firmware-sim history --days 2
Against a service of your own, create the people first, then simulate:
  totem serve --admin-token "$TOKEN" &
  go run ./firmware-sim people  --api http://127.0.0.1:8080 --token "$TOKEN"
  go run ./firmware-sim history --api http://127.0.0.1:8080 --token "$TOKEN" --days 14 --truth truth.jsonl
  go run ./firmware-sim live    --api http://127.0.0.1:8080 --token "$TOKEN"
A bad network:
  go run ./firmware-sim history --days 30 --repeat 10 --reorder 10m --offline 4h --drift 2s --loss 1 --dead 3`

// commandLine is every command with its flags.
type commandLine struct {
	People  peopleCmd  `cmd:"" help:"Create the demo's tenants, members, badges, plans and leases in a service, through its API."`
	History historyCmd `cmd:"" help:"Simulate past days and send them as fast as the service takes them."`
	Live    liveCmd    `cmd:"" help:"Simulate from now on, until Ctrl-C."`
	Network networkCmd `cmd:"" help:"Write a network that is many times as large, as a catalogue and sheets."`
	Badge   badgeCmd   `cmd:"" help:"Show one badge to one reader and print the answer."`
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
	var c commandLine
	parser, err := kong.New(
		&c,
		kong.Name("firmware-sim"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "firmware-sim:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "firmware-sim: %s\nSee firmware-sim --help.\n", err)
		return 2
	}
	log := slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{TimeFormat: "15:04:05.000"}))
	if err := k.Run(log); err != nil {
		fmt.Fprintln(os.Stderr, "firmware-sim:", err)
		if _, wrong := errors.AsType[*cli.CallError](err); wrong {
			return 2
		}
		return 1
	}
	return 0
}
