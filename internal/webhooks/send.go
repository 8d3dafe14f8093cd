package webhooks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// patience is how long a receiver may take for all of its answer.
	patience = 15 * time.Second
	// mostAnswer is how much of an answer is read, so that its connection can be
	// used again; the content means nothing.
	mostAnswer = 4 << 10
)

// The errors of addresses that are not connected to.
var (
	errPrivate = errors.New("this is not a public address, and --webhooks-allow does not name its private network")
	errPlain   = errors.New("plain http is for the networks that --webhooks-allow names; this address is in none of them")
)

// notPublic lists networks that are not public either, besides those that net/netip
// recognises: reserved, shared, translated and tunnelled addresses, behind which there may
// be machines of an internal network.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("::ffff:0:0:0/96"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("fec0::/10"),
}

func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// sender posts events. It checks the IP address at each connection, because the host's
// name may resolve to another address than when the webhook was made.
type sender struct {
	plain, secure *http.Client
	agent         string
}

func newSender(allowed []netip.Prefix, version string) *sender {
	allows := func(a netip.Addr) bool {
		for _, p := range allowed {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	return &sender{
		plain:  newClient(allows, errPlain),
		secure: newClient(func(a netip.Addr) bool { return public(a) || allows(a) }, errPrivate),
		agent:  "Totem/" + version,
	}
}

// newClient returns a client that connects only to addresses for which may is true. It
// follows no redirect, and uses no proxy, because the proxy would choose the address.
func newClient(may func(netip.Addr) bool, refused error) *http.Client {
	d := net.Dialer{Timeout: patience, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !may(to.Addr().Unmap().WithZone("")) {
			return refused
		}
		return nil
	}}
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    patience,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// answer is what became of one attempt.
type answer struct {
	status int           // 0: there was no answer
	fault  string        // "": delivered
	wait   time.Duration // for which the receiver asks to wait
}

// send posts one event, signed with each secret.
func (s *sender) send(ctx context.Context, w *Webhook, d *Delivery, now time.Time, secrets ...[]byte) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, strings.NewReader(string(d.Body)))
	if err != nil {
		return answer{fault: "the address cannot be used"}
	}
	id := "msg_" + d.ID.String()
	var signatures []string
	for _, secret := range secrets {
		signer, err := standardwebhooks.NewWebhookRaw(secret)
		if err != nil {
			return answer{fault: "the event cannot be signed"}
		}
		signature, err := signer.Sign(id, now, d.Body)
		if err != nil {
			return answer{fault: "the event cannot be signed"}
		}
		signatures = append(signatures, signature)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.agent)
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	client := s.secure
	if req.URL.Scheme == "http" {
		client = s.plain
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{fault: why(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, mostAnswer)
	a := answer{status: resp.StatusCode}
	switch {
	case a.status >= 200 && a.status < 300:
	case a.status >= 300 && a.status < 400:
		a.fault = fmt.Sprintf("answered %d: redirects are not followed", a.status)
	default:
		a.fault = fmt.Sprintf("answered %d", a.status)
	}
	a.wait = asked(resp.Header.Get("Retry-After"), now)
	return a
}

// asked returns for how long a Retry-After asks to wait, an hour at most.
func asked(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		return time.Duration(max(0, min(seconds, mostWait.Seconds())) * float64(time.Second))
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, min(at.Sub(now), mostWait))
	}
	return 0
}

// why returns an error in words. Its own text would contain the address, which may
// be secret in part.
func why(err error) string {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errPrivate):
		return errPrivate.Error()
	case errors.Is(err, errPlain):
		return errPlain.Error()
	case errors.As(err, &name):
		return "the host's name could not be looked up"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	// What the other side says may be long.
	said := strings.ToValidUTF8(err.Error(), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(said[:min(len(said), mostFault)], ""))
}

// mostFault is how long a fault may be, in bytes.
const mostFault = 200

// ShowSecret returns a secret as receivers are given it.
func ShowSecret(secret []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(secret) }
