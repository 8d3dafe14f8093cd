package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

func (a *App) listen() error {
	l, err := net.Listen("tcp", a.Config.HTTP)
	if err != nil {
		return fmt.Errorf("--http (TOTEM_HTTP): %w", err)
	}
	a.HTTP, a.listener = l.Addr(), l
	srv := newServer(&a.front, a.opt.Log)
	var serving stack
	serving.run(a.ctx, "http server", func(context.Context) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.endService(fmt.Errorf("the http server has ended: %w", err)) // nobody would see that the API is gone
		}
	})
	a.ways.add("http listener", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		a.front.endStreams()
		err := srv.Shutdown(ctx)
		if err != nil {
			err = srv.Close()
		}
		return errors.Join(err, serving.close(ctx))
	})
	return nil
}

// newServer returns a server that lets no client hold a connection for long
// without sending anything.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
