package main

import (
	"context"
	"io"
	"time"

	"github.com/lorntech/totem/internal/cli"
)

// form holds the flags of how a list is printed.
type form struct {
	JSON bool `name:"json" help:"As JSON, for scripts."`
	CSV  bool `name:"csv" help:"As CSV."`
}

// asked returns the client and how its answers are printed.
func (s *service) asked(f form) (c cli.Client, as cli.Form, err error) {
	zone, err := s.zone()
	if err != nil {
		return c, as, err
	}
	c, err = s.client()
	return c, cli.Form{JSON: f.JSON, CSV: f.CSV, Zone: zone}, err
}

// list prints a whole list.
func (s *service) list(ctx context.Context, out io.Writer, f form, l cli.Listing, q map[string]string) error {
	c, as, err := s.asked(f)
	if err != nil {
		return err
	}
	return c.ShowList(ctx, out, l, nonEmpty(q), as)
}

type availabilityCmd struct {
	service
	form
	Site  string `help:"Only of this site." placeholder:"SITE"`
	Kind  string `help:"Only spaces of this kind." placeholder:"KIND"`
	Watch bool   `help:"Print each change as it happens, until Ctrl-C."`
}

func (c *availabilityCmd) Run(ctx context.Context, out *printer) error {
	if !c.Watch {
		return c.list(ctx, out, c.form, cli.Availability, map[string]string{"site": c.Site, "kind": c.Kind})
	}
	if c.CSV {
		return cli.Wrong("--watch: not with --csv")
	}
	return c.follow(ctx, out, c.form, "availability", cli.Availability, map[string]string{"site": c.Site, "kind": c.Kind})
}

// follow prints each change that fits, until Ctrl-C.
func (s *service) follow(
	ctx context.Context,
	out io.Writer,
	f form,
	topic string,
	l cli.Listing,
	only map[string]string,
) error {
	c, as, err := s.asked(f)
	if err != nil {
		return err
	}
	return c.Follow(ctx, out, topic, l, as, cli.Only(only))
}

type devicesListCmd struct {
	service
	form
	Site string `help:"Only of this site." placeholder:"SITE"`
}

func (c *devicesListCmd) Run(ctx context.Context, out *printer) error {
	return c.list(ctx, out, c.form, cli.Devices, map[string]string{"site": c.Site})
}

type devicesUnknownCmd struct {
	service
	form
}

func (c *devicesUnknownCmd) Run(ctx context.Context, out *printer) error {
	return c.list(ctx, out, c.form, cli.UnknownDevices, nil)
}

type devicesSecretCmd struct {
	address
	Device string `arg:"" help:"The device."`
}

func (c *devicesSecretCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Secret(ctx, out, c.Device)
}

type doorsCmd struct {
	List   doorsListCmd   `cmd:"" default:"withargs" help:"The doors."`
	Unlock doorsUnlockCmd `cmd:"" help:"Open a door for a while, once; audited."`
}

type doorsListCmd struct {
	service
	form
	Site string `help:"Only of this site." placeholder:"SITE"`
}

func (c *doorsListCmd) Run(ctx context.Context, out *printer) error {
	return c.list(ctx, out, c.form, cli.Doors, map[string]string{"site": c.Site})
}

type doorsUnlockCmd struct {
	address
	Door    string `arg:"" help:"The door."`
	Seconds int    `help:"How long it stays open." default:"5"`
	Reason  string `help:"Why; it is kept with your token's id." required:""`
}

func (c *doorsUnlockCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Unlock(ctx, out, c.Door, c.Seconds, c.Reason)
}

type lockdownCmd struct {
	On     lockdownOnCmd     `cmd:"" help:"Begin a site's lockdown: only responders may enter; exits open."`
	Off    lockdownOffCmd    `cmd:"" help:"End a site's lockdown."`
	Status lockdownStatusCmd `cmd:"" help:"Tell whether a site is in lockdown, and which readers have confirmed it."`
}

type lockdownOnCmd struct {
	service
	form
	Site   string `arg:"" help:"The site."`
	Reason string `help:"Why; it is kept with your token's id." required:""`
}

func (c *lockdownOnCmd) Run(ctx context.Context, out *printer) error {
	client, as, err := c.asked(c.form)
	if err != nil {
		return err
	}
	return client.Lockdown(ctx, out, c.Site, true, c.Reason, as)
}

type lockdownOffCmd struct {
	service
	form
	Site   string `arg:"" help:"The site."`
	Reason string `help:"Why it ends."`
}

func (c *lockdownOffCmd) Run(ctx context.Context, out *printer) error {
	client, as, err := c.asked(c.form)
	if err != nil {
		return err
	}
	return client.Lockdown(ctx, out, c.Site, false, c.Reason, as)
}

type lockdownStatusCmd struct {
	service
	form
	Site string `arg:"" help:"The site."`
}

func (c *lockdownStatusCmd) Run(ctx context.Context, out *printer) error {
	client, as, err := c.asked(c.form)
	if err != nil {
		return err
	}
	return client.LockdownStatus(ctx, out, c.Site, as)
}

type readsCmd struct {
	service
	period
	form
	Site   string `help:"Only at this site's doors." placeholder:"SITE"`
	Door   string `help:"Only at this door." placeholder:"DOOR"`
	Member string `help:"Only of this member." placeholder:"MEMBER"`
	Result string `help:"granted or refused." enum:",granted,refused" default:"" placeholder:"RESULT"`
	Follow bool   `help:"Print each read as it is decided, until Ctrl-C."`
}

func (c *readsCmd) Run(ctx context.Context, out *printer) error {
	if c.Follow && (c.CSV || c.Site != "" || c.From != "" || c.To != "") {
		return cli.Wrong("--follow: not with --csv, --site, --from or --to; --door, --member and --result narrow it")
	}
	if c.Follow {
		only := map[string]string{"door": c.Door, "member": c.Member}
		if c.Result != "" {
			only["granted"] = map[string]string{"granted": "true", "refused": "false"}[c.Result]
		}
		return c.follow(ctx, out, c.form, "reads", cli.Reads, only)
	}
	client, in, err := c.clientFor(&c.period)
	if err != nil {
		return err
	}
	q := nonEmpty(map[string]string{
		"site": c.Site, "door": c.Door, "member": c.Member, "result": c.Result,
		"from": in.from.Format(time.RFC3339), "to": c.end(in),
	})
	return client.ShowList(ctx, out, cli.Reads, q, cli.Form{JSON: c.JSON, CSV: c.CSV, Zone: in.zone})
}

type accessCmd struct {
	Check   accessCheckCmd   `cmd:"" help:"Tell whether a badge would open a door; nothing is recorded."`
	Explain accessExplainCmd `cmd:"" help:"Tell why a badge would open a door or not: every right that was tried."`
	Read    accessReadCmd    `cmd:"" help:"Tell why a read was granted or refused, by the rights of that moment."`
}

// question holds the flags of a question about a door.
type question struct {
	service
	form
	Door      string `arg:"" help:"The door."`
	Badge     string `help:"The badge's id." placeholder:"BADGE" xor:"credential" required:""`
	UID       string `name:"uid" help:"The number on a card, or a QR token, as a reader sends it." placeholder:"UID" xor:"credential" required:""`
	Direction string `help:"in or out." enum:"in,out" default:"in"`
	At        string `help:"At this local time or instant; default: now." placeholder:"TIME"`
}

func (q *question) ask() (c cli.Client, as cli.Form, it cli.Question, err error) {
	c, as, err = q.asked(q.form)
	it = cli.Question{Credential: q.UID, CredentialID: q.Badge, Door: q.Door, Direction: q.Direction}
	if err == nil && q.At != "" {
		var at time.Time
		at, err = parseTime("--at", q.At, as.Zone)
		it.At = &at
	}
	return c, as, it, err
}

type accessCheckCmd struct{ question }

func (c *accessCheckCmd) Run(ctx context.Context, out *printer) error {
	client, as, q, err := c.ask()
	if err != nil {
		return err
	}
	return client.Check(ctx, out, q, as)
}

type accessExplainCmd struct{ question }

func (c *accessExplainCmd) Run(ctx context.Context, out *printer) error {
	client, as, q, err := c.ask()
	if err != nil {
		return err
	}
	return client.Explain(ctx, out, q, as)
}

type accessReadCmd struct {
	service
	form
	Read string `arg:"" help:"The read's id, as totem reads prints it."`
}

func (c *accessReadCmd) Run(ctx context.Context, out *printer) error {
	client, as, err := c.asked(c.form)
	if err != nil {
		return err
	}
	return client.ExplainRead(ctx, out, c.Read, as)
}

type alarmsCmd struct {
	List alarmsListCmd `cmd:"" default:"withargs" help:"Alarms that have not cleared; --all: all."`
	Ack  alarmsAckCmd  `cmd:"" help:"Acknowledge an alarm: somebody looks after it."`
}

type alarmsListCmd struct {
	service
	form
	Site string `help:"Only of this site." placeholder:"SITE"`
	All  bool   `help:"Also those that have cleared."`
}

func (c *alarmsListCmd) Run(ctx context.Context, out *printer) error {
	q := map[string]string{"site": c.Site, "open": "true"}
	if c.All {
		delete(q, "open")
	}
	return c.list(ctx, out, c.form, cli.Alarms, q)
}

type alarmsAckCmd struct {
	address
	Alarm string `arg:"" help:"The alarm's id."`
}

func (c *alarmsAckCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Acknowledge(ctx, out, c.Alarm)
}

type rejectsCmd struct {
	service
	form
}

func (c *rejectsCmd) Run(ctx context.Context, out *printer) error {
	return c.list(ctx, out, c.form, cli.Rejects, nil)
}

type rollcallCmd struct {
	service
	form
	Building string `arg:"" help:"The building."`
}

func (c *rollcallCmd) Run(ctx context.Context, out *printer) error {
	client, as, err := c.asked(c.form)
	if err != nil {
		return err
	}
	return client.Rollcall(ctx, out, c.Building, as)
}

type tokensCmd struct {
	List   tokensListCmd   `cmd:"" default:"withargs" help:"Tokens and accounts, with what they may do."`
	Revoke tokensRevokeCmd `cmd:"" help:"End a token, and what is connected with it."`
}

type tokensListCmd struct {
	service
	form
}

func (c *tokensListCmd) Run(ctx context.Context, out *printer) error {
	return c.list(ctx, out, c.form, cli.Tokens, nil)
}

type tokensRevokeCmd struct {
	address
	ID string `arg:"" help:"The token's id."`
}

func (c *tokensRevokeCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.RevokeToken(ctx, out, c.ID)
}
