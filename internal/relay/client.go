package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Header is the header with the signed address of the client whose request a relay passes
// on. The API counts wrong tokens by address, and without it all clients of a relay would
// share the relay's address.
const Header = "Totem-Relayed"

// MovedHeader is set in an answer if the machine refused the request because it may no
// longer be the one that serves. The request had no effect.
const MovedHeader = "Totem-Moved"

// holds is how far the time in a signed address may lie before or after now. It allows
// for machines whose clocks differ.
const holds = 5 * time.Minute

// Sign returns the header's value for a client's address.
func Sign(key []byte, client string, now time.Time) string {
	text := strconv.FormatInt(now.Unix(), 10) + " " + client
	return text + " " + mac(key, text)
}

func mac(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("relay|" + text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Client returns the address that a relay with the same key has signed; "": none has.
func Client(key []byte, value string, now time.Time) string {
	i := strings.LastIndexByte(value, ' ')
	if i < 0 || !hmac.Equal([]byte(value[i+1:]), []byte(mac(key, value[:i]))) {
		return ""
	}
	at, client, _ := strings.Cut(value[:i], " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > holds {
		return ""
	}
	return client
}

// Behind returns a handler for requests that may come through a relay. If the request has
// the header with a valid signature, its RemoteAddr becomes the address in the header;
// without one, the header is ignored.
func Behind(key []byte, now func() time.Time, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Get(Header); v != "" {
			r.Header.Del(Header)
			if client := Client(key, v, now()); client != "" {
				r.RemoteAddr = client + ":0"
				if strings.Contains(client, ":") {
					r.RemoteAddr = "[" + client + "]:0"
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}
