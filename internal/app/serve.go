package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// closeTime is how long an orderly end may take.
const closeTime = 15 * time.Second

// Serve runs the whole service until ctx ends.
func Serve(ctx context.Context, cfg Config, log *slog.Logger) error {
	a, err := Start(ctx, cfg, Options{Log: log})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // it was stopped while it waited for another one to end
	}
	if err != nil {
		return err
	}
	a.logStart(ctx)
	return a.Wait(ctx)
}

// Wait closes the service when ctx ends, or when it cannot continue.
func (a *App) Wait(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-a.failed:
	}
	a.opt.Log.Info("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	return errors.Join(failed, a.Close(stop))
}

// logStart says where the page, the broker and the token are, what is missing, and what
// to do next.
func (a *App) logStart(ctx context.Context) {
	log := a.opt.Log
	page := "http://" + a.HTTP.String()
	if a.HTTPTLS != nil {
		page = "https://" + a.HTTPTLS.String()
	}
	log.Info(
		"totem is ready",
		"http",
		"http://"+a.HTTP.String(),
		"page",
		page,
		"docs",
		page+"/docs",
		"data",
		a.Config.Data,
	)
	file := a.Config.Catalogue
	if file == "" {
		file = "built in: the four LORnTECH sites (TOTEM_CATALOGUE names another)"
	}
	log.Info("catalogue", "network", a.Network.Name, "sites", len(a.Network.Sites), "spaces", len(a.Network.Spaces),
		"devices", len(a.Network.Devices), "file", file)
	plain := []net.Addr{a.HTTP}
	if a.MQTT != nil {
		log.Info("embedded broker listens", "mqtt", a.MQTT.String(), "mqtts", text(a.MQTTTLS))
		plain = append(plain, a.MQTT)
	} else {
		log.Info("outside broker", "connected", a.Broker.Ready() == nil)
	}
	for _, addr := range plain {
		if beyond(addr) {
			log.Warn("passwords and tokens travel in clear text here: use TLS, or a proxy on this machine",
				"address", addr.String(), "settings", "--http-tls (TOTEM_HTTP_TLS), --mqtt-tls-listen (TOTEM_MQTT_TLS_LISTEN)")
		}
	}
	a.missing(ctx)
	switch n := len(a.Config.AdminToken); {
	case n == 0:
		log.Info("the admin token is in a file", "file", a.Config.AdminTokenFile())
	case n < shortToken:
		log.Warn(
			"the admin token is short enough to be guessed; use one like the output of openssl rand -hex 32",
			"setting",
			"TOTEM_ADMIN_TOKEN",
		)
	}
}

// missing says what a service lacks before anybody can pass, and the next command.
func (a *App) missing(ctx context.Context) {
	log := a.opt.Log
	if newest, err := a.Ledger.NewestArrival(ctx); err == nil && newest.IsZero() {
		log.Info("no device has been heard yet; a device needs a secret",
			"next", "totem devices secret DEVICE", "look", "totem devices watch")
	}
	for range a.Rights.InForce().Book.Leases() {
		return
	}
	log.Info("there are no leases yet: nobody may pass", "next", "totem import FILE, or totem leases put ID --file FILE")
}

// text is an address as people write it; empty: there is none.
func text(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	return addr.String()
}

// beyond reports whether an address can be reached from other machines.
func beyond(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// Tokens shorter than shortToken can be found by trying; serve warns of them.
const shortToken = 16
