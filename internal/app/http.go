package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/signin"
)

func (a *house) APIConfig() api.Config {
	return api.Config{
		Network:        a.Network,
		Recorded:       a.chronicle.Recorded,
		Rights:         a.Rights,
		Ledger:         a.Ledger,
		Keys:           a.Keys,
		Live:           a.Live,
		Doors:          a.Readers,
		Sessions:       sessions{a},
		OnTokens:       func(changed func(string)) { a.tokens.Store(&changed) },
		Whereabouts:    func(ctx context.Context) access.Whereabouts { return a.Pipeline.Whereabouts(ctx) },
		Series:         series.Reader{History: a.Catalogues, Ledger: a.Ledger},
		SeriesCaughtUp: a.SeriesCaughtUp,
		Bills:          a.bills(),
		Foreign:        a.Foreign,
		Watch:          a.Pipeline.Watch,
		NotUnderstood:  a.Pipeline.NotUnderstood,
		Enrolments:     a.enrolments,
		Verify:         func(ctx context.Context) (ledger.Audit, error) { return admin.Verify(ctx, a.Catalogues, a.Ledger) },
		Most: api.Most{
			Members:     a.Config.TenantMembers,
			Credentials: a.Config.TenantCredentials,
			Passes:      a.Config.TenantPasses,
		},
		Webhooks:        a.apiWebhooks(),
		Accounts:        a.accounts(),
		RelayKey:        a.Keys.RelayKey(),
		Fresh:           a.Ledger.Fresh,
		Degraded:        a.Degraded,
		ChangeCatalogue: a.change,
		CaughtUp:        a.Presence.CaughtUp,
		Ready:           a.Ready,
		Metrics:         a.metricsHandler(),
		Version:         Version(),
		Now:             a.opt.Now,
		Log:             a.opt.Log,
	}
}

// Version returns the module's version, as built.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// Commit returns the commit that the binary was built from; empty where the build
// did not know it.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// Ready returns what keeps the service from its work.
func (a *house) Ready(ctx context.Context) []string {
	var faults []string
	if err := a.Ledger.Ping(ctx); err != nil {
		faults = append(faults, fmt.Sprintf("ledger: %v", err))
	}
	if a.Pipeline.Stuck() {
		faults = append(faults, "ledger: commits fail; messages wait unacknowledged")
	}
	if err := a.Broker.Ready(); err != nil {
		faults = append(faults, fmt.Sprintf("broker: %v", err))
	}
	return faults
}

// Degraded returns the faults that do not keep the service from deciding and recording.
func (a *house) Degraded() []string {
	// An empty list, not null, where nothing is wrong.
	list := append([]string{}, slices.Concat(a.Presence.Faults(), a.maker.Faults(), a.webhooks.Faults(a.ctx))...)
	if behind := a.Pipeline.Behind(); behind > 0 {
		list = append(list,
			fmt.Sprintf(
				"clock: this machine's clock is %s behind the newest message of its ledger; messages with a later time wait at their devices",
				behind.Round(time.Second),
			),
		)
	}
	if a.shipper != nil {
		if owed, fault := a.shipper.Status(); fault != nil {
			list = append(list, fmt.Sprintf("influxdb: %v; %d hours of spaces wait in the ledger to be sent", fault, owed))
		}
	}
	return list
}

// sessions ends broker connections whose secret or token has changed.
type sessions struct{ a *house }

func (s sessions) SecretChanged(ctx context.Context, device catalogue.DeviceID) error {
	if err := errors.Join(s.a.auth.load(ctx), s.a.Readers.LoadListKeys(ctx)); err != nil {
		return err
	}
	if e, ok := s.a.Broker.(embedded); ok {
		e.Disconnect(device)
	}
	return nil
}

func (s sessions) TokenChanged(id string) {
	if e, ok := s.a.Broker.(embedded); ok {
		e.DisconnectWhere(func(p broker.Principal) bool { return p.Token && p.Name == id })
	}
}

// accounts returns what signs people in with accounts; nil: nothing does.
func (a *house) accounts() *signin.Accounts {
	if a.signIn == nil {
		return nil
	}
	return signin.New(a.signIn, a.Keys.SignInKey())
}

func (a *house) bills() billing.Bills {
	return billing.Bills{Network: a.Network, History: a.Catalogues, Ledger: a.Ledger, Now: a.opt.Now, Settings: a.settings}
}
