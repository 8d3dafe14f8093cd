package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lorntech/totem/internal/certs"
)

func (a *App) listen() error {
	srv := newServer(&a.front, a.opt.Log)
	var serving stack
	serve := func(name, addr string, secure *tls.Config) (net.Listener, error) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		on := l
		if secure != nil {
			on = tls.NewListener(l, secure)
		}
		serving.run(a.ctx, "http server", func(context.Context) {
			if err := srv.Serve(on); !errors.Is(err, http.ErrServerClosed) {
				a.endService(fmt.Errorf("the http server has ended: %w", err)) // nobody would see that the API is gone
			}
		})
		return l, nil
	}
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
	l, err := serve("--http (TOTEM_HTTP)", a.Config.HTTP, nil)
	if err != nil {
		return err
	}
	a.HTTP, a.listener = l.Addr(), l
	if a.Config.HTTPTLS == "" {
		return nil
	}
	secure, err := a.tls()
	if err != nil {
		return err
	}
	secure.NextProtos = []string{"http/1.1"} // streams and relays are tried with it
	if l, err = serve("--http-tls (TOTEM_HTTP_TLS)", a.Config.HTTPTLS, secure); err != nil {
		return err
	}
	a.HTTPTLS = l.Addr()
	return nil
}

// tls returns the settings of the listeners with TLS; nil: there are none.
func (a *shell) tls() (*tls.Config, error) {
	if a.Config.TLSCert == "" {
		return nil, nil //nolint:nilnil // without a certificate there is no TLS
	}
	c, err := certs.Config(a.Config.TLSCert, a.Config.TLSKey, a.opt.Log)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key (TOTEM_TLS_CERT, TOTEM_TLS_KEY): %w", err)
	}
	return c, nil
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
