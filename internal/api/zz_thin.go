// Package api is the HTTP API.
package api

import "net/http"

type Config struct{ Ready func() error }

func New(c Config) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {})
	return mux, nil
}
