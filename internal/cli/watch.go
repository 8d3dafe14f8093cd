package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

type arrival struct {
	At      time.Time
	Topic   string
	From    *string
	Device  *string
	Adapter *string
	What    *string
	Said    *time.Time `json:"said_at"`
	Values  json.RawMessage
	Granted *bool
	Outcome string
	Reason  *string
	Payload *string
}

// WatchQuery holds the parameters of totem devices watch.
type WatchQuery struct {
	Device   string
	Rejected bool
}

// Watch prints what arrives on the broker, message by message, until ctx ends.
func Watch(ctx context.Context, c Client, w io.Writer, q WatchQuery) error {
	v := url.Values{}
	if q.Device != "" {
		v.Set("device", q.Device)
	}
	if q.Rejected {
		v.Set("rejected", "true")
	}
	fmt.Fprintln(w, "Watching what arrives; Ctrl-C ends.")
	return stream(ctx, c, "/v1/devices/watch", v, func(a arrival) error {
		_, err := fmt.Fprintln(w, a.line())
		return err
	})
}

// line writes a message on one line: when, who, what it said, what became of
// it.
func (a *arrival) line() string {
	who := a.Topic
	if a.Device != nil {
		who = *a.Device
	}
	parts := []string{a.At.Local().Format("15:04:05.000"), fmt.Sprintf("%-9s", a.Outcome), fmt.Sprintf("%-28s", who)}
	if a.What != nil {
		parts = append(parts, fmt.Sprintf("%-9s", *a.What))
	}
	if a.Granted != nil {
		word := "refused"
		if *a.Granted {
			word = "granted"
		}
		parts = append(parts, word)
	}
	if len(a.Values) > 0 && string(a.Values) != "null" {
		parts = append(parts, string(a.Values))
	}
	if a.Reason != nil {
		parts = append(parts, *a.Reason)
	}
	if a.Adapter != nil {
		parts = append(parts, "("+*a.Adapter+" on "+a.Topic+")")
	}
	if a.From != nil {
		parts = append(parts, "from "+*a.From)
	}
	if a.Said != nil && a.At.Sub(*a.Said).Abs() > 10*time.Second {
		parts = append(parts, "said "+a.At.Sub(*a.Said).Round(time.Second).String()+" before")
	}
	if a.Payload != nil {
		parts = append(parts, "\n              "+*a.Payload)
	}
	return strings.Join(parts, "  ")
}
