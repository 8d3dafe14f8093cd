package app

import (
	"fmt"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/wire"
)

// brokerRunner is a broker that reports whether it works. The embedded and the outside one implement it.
type brokerRunner interface {
	broker.Broker
	Ready() error
}

func (a *house) startBroker() error {
	a.auth = &brokerAuth{ledger: a.Ledger, now: a.opt.Now, anyone: a.opt.Anonymous}
	a.auth.network.Store(a.Network)
	if err := a.auth.load(a.ctx); err != nil {
		return err
	}
	handle := func(d broker.Delivery) {
		a.gate.through(func(h *house) { h.Pipeline.Handle(a.ctx, ingest.Delivery(d)) })
	}
	if a.Config.MQTTURL != "" {
		out, err := broker.NewOutside(
			broker.OutsideConfig{
				URL:      a.Config.MQTTURL,
				ClientID: a.Keys.ClientID(),
				Foreign:  a.Foreign.Filters(),
				Handler:  handle,
				OnUp:     func() { a.gate.through((*house).brokerUp) },
				May:      a.Ledger.StillOwned,
				Log:      a.opt.Log,
			},
		)
		if err != nil {
			return err
		}
		a.Broker = outside{out}
		return out.Start(a.ctx)
	}
	secure, err := a.tls()
	if err != nil {
		return err
	}
	emb, err := broker.NewEmbedded(broker.EmbeddedConfig{
		Listen:         a.Config.MQTTListen,
		ListenTLS:      a.Config.MQTTTLSListen,
		TLS:            secure,
		Network:        a.Network,
		Foreign:        a.Foreign,
		Auth:           a.auth,
		AllowAnonymous: a.opt.Anonymous,
		Handler:        handle,
		Log:            a.opt.Log,
		OnListenerEnd:  func(err error) { a.endService(fmt.Errorf("the MQTT listener has ended: %w", err)) },
		OnSubscribe:    func(filter string) { a.gate.through(func(h *house) { h.subscribed(filter) }) },
		Denied: func(d broker.Delivery, reason string) {
			a.gate.through(func(h *house) { h.Pipeline.RejectDenied(a.ctx, ingest.Delivery(d), reason) })
		},
	})
	if err != nil {
		return err
	}
	a.Broker = embedded{emb}
	if err := emb.Start(); err != nil {
		return err
	}
	a.MQTT, a.MQTTTLS = emb.Addr(), emb.AddrTLS()
	return nil
}

// subscribed greets the readers whose commands a client has just subscribed to.
func (a *house) subscribed(filter string) {
	for i := range a.Network.Devices {
		d := &a.Network.Devices[i]
		if d.Kind == catalogue.Reader &&
			wire.Covers(filter, wire.Topic{Site: d.Site, Device: d.ID, What: wire.Command}.String()) {
			a.Readers.Connected(d.ID)
		}
	}
}

// brokerUp publishes again what an outside broker may have missed.
func (a *house) brokerUp() {
	a.clearGone()
	a.Readers.Republish()
	a.Live.Republish()
}

type embedded struct{ *broker.Embedded }

func (embedded) Ready() error { return nil }

type outside struct{ *broker.Outside }

func (o outside) Ready() error {
	if !o.Connected() {
		return broker.ErrNotConnected
	}
	return nil
}
