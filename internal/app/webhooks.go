package app

import (
	"context"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/webhooks"
)

// openWebhooks opens what sends events to webhooks.
func (a *house) openWebhooks() {
	allowed, _ := a.Config.WebhookNetworks() // Config.Check has found what is wrong with it
	a.webhooks = webhooks.NewDeliverer(webhooks.Config{
		Store:     a.Ledger,
		Secret:    a.Keys.WebhookSecret,
		Allowed:   allowed,
		Version:   Version(),
		Log:       a.opt.Log,
		Attempted: a.metrics.attempted,
	})
}

// tellAvailability queues what changes in the spaces for the webhooks that ask for it.
func (a *house) tellAvailability(ctx context.Context) {
	f := webhooks.Availability{Store: a.Ledger, Now: a.opt.Now, Log: a.opt.Log, Current: a.Live.Availability}
	f.Run(ctx)
}

func (a *house) apiWebhooks() api.Webhooks {
	return api.Webhooks{Secret: a.Keys.WebhookSecret, PrivateAllowed: a.Config.WebhooksAllow != ""}
}

func (m *metrics) attempted(o webhooks.Outcome) {
	label := string(o)
	if o == webhooks.Waiting { // it failed, and will be tried again
		label = "failed"
	}
	m.webhooks.WithLabelValues(label).Inc()
}
