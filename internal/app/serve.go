package app

import (
	"context"
	"errors"
	"log/slog"
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
	a.logStart()
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

func (a *App) logStart() {
	log := a.opt.Log
	log.Info(
		"totem is ready",
		"http",
		"http://"+a.HTTP.String(),
		"docs",
		"http://"+a.HTTP.String()+"/docs",
		"data",
		a.Config.Data,
	)
	if a.MQTT != nil {
		log.Info("embedded broker listens", "mqtt", a.MQTT.String())
	} else {
		log.Info("outside broker", "connected", a.Broker.Ready() == nil)
	}
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

// Tokens shorter than shortToken can be found by trying; serve warns of them.
const shortToken = 16
