package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/relay"
)

// errDatabase is the error of commands that are for several machines.
var errDatabase = errors.New("--database-url (TOTEM_DATABASE_URL): is missing; on one machine totem serve does all")

// Ingest runs Serve on one of several machines, which need a PostgreSQL database and an outside broker.
func Ingest(ctx context.Context, cfg Config, log *slog.Logger) error {
	if cfg.DatabaseURL == "" {
		return errDatabase
	}
	if cfg.MQTTURL == "" {
		return errors.New("--mqtt-url (TOTEM_MQTT_URL): is missing; an embedded broker goes down with its machine")
	}
	return Serve(ctx, cfg, log)
}

// noteServing lets relays find this machine, once it answers.
func (a *App) noteServing(ctx context.Context) error {
	if a.Config.DatabaseURL == "" {
		return nil
	}
	url := a.Config.Advertise
	if url == "" {
		host, port, err := net.SplitHostPort(a.HTTP.String())
		if err != nil {
			return err
		}
		ip := net.ParseIP(host)
		if ip.IsLoopback() {
			a.opt.Log.Warn(
				"totem api on another machine cannot reach this one: set --http or --advertise",
				"http",
				a.HTTP.String(),
			)
		}
		if ip.IsUnspecified() {
			if host, err = os.Hostname(); err != nil {
				return fmt.Errorf("--advertise (TOTEM_ADVERTISE): is missing, and this machine has no name: %w", err)
			}
		}
		url = "http://" + net.JoinHostPort(host, port)
	}
	// The random suffix differs at each start, so that relays notice that the machine has started again.
	return a.Ledger.NoteServing(ctx, url+"#"+uuid.NewString())
}

// Relay answers HTTP by passing requests on to whichever machine serves, until ctx
// ends.
func Relay(ctx context.Context, cfg Config, log *slog.Logger) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	if cfg.DatabaseURL == "" {
		return errDatabase
	}
	l, err := ledger.Open(ctx, cfg.Ledger())
	if err != nil {
		return err
	}
	defer l.Close()
	if err := admin.CheckKeys(ctx, cfg.KeysFile(), l); err != nil {
		return err
	}
	key, err := keys.RelayKeyOf(cfg.KeysFile())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.HTTP)
	if err != nil {
		return fmt.Errorf("--http (TOTEM_HTTP): %w", err)
	}
	r := relay.New(l, key, log)
	following, stop := context.WithCancel(ctx)
	defer stop()
	followed := make(chan struct{})
	go func() { defer close(followed); r.Run(following) }()
	srv := newServer(r, log)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener) }()
	log.Info("totem passes requests on to the machine that serves", "http", "http://"+listener.Addr().String())
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("the http server has ended: %w", err)
	}
	r.EndStreams()
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if shut := srv.Shutdown(down); shut != nil && !errors.Is(shut, http.ErrServerClosed) {
		r.Close()
		err = errors.Join(err, srv.Close())
	}
	stop()
	<-followed
	return err
}
