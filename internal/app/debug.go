package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
)

// debug serves profiles (net/http/pprof) where the settings ask for it, on a loopback
// port of their own: they tell more than any client of the API may know.
func (a *shell) debug() error {
	if a.Config.Debug == "" {
		return nil
	}
	l, err := net.Listen("tcp", a.Config.Debug)
	if err != nil {
		return fmt.Errorf("--debug (TOTEM_DEBUG): %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	srv := newServer(mux, a.opt.Log)
	srv.WriteTimeout = 0 // a profile takes as long as it is asked to
	var serving stack
	serving.run(a.ctx, "profiles", func(context.Context) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.opt.Log.Error("profiles are no longer served", "error", err)
		}
	})
	a.closes.add("profiles", func(ctx context.Context) error {
		return errors.Join(srv.Close(), serving.close(ctx))
	})
	a.opt.Log.Info("profiles are served", "address", "http://"+l.Addr().String()+"/debug/pprof/")
	return nil
}
