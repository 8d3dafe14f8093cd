package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lorntech/totem/internal/access"
)

// Unlock opens a door for a while, once.
func (c Client) Unlock(ctx context.Context, w io.Writer, door string, seconds int, reason string) error {
	body := map[string]any{"seconds": seconds, "reason": reason}
	if err := c.send(ctx, http.MethodPost, "/v1/doors/"+url.PathEscape(door)+"/unlock", body, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "The command to open %s for %d s is sent.\n", door, seconds)
	return err
}

// locked is whether a site is in lockdown.
type locked struct {
	Site   string
	Active bool
	Since  *time.Time
}

func (c Client) lockdownPath(site string) string {
	return "/v1/sites/" + url.PathEscape(site) + "/lockdown"
}

// Lockdown begins or ends a site's lockdown, and prints what holds then.
func (c Client) Lockdown(ctx context.Context, w io.Writer, site string, active bool, reason string, f Form) error {
	body := map[string]any{"active": active, "reason": reason}
	if err := c.send(ctx, http.MethodPut, c.lockdownPath(site), body, nil); err != nil {
		return err
	}
	return c.LockdownStatus(ctx, w, site, f)
}

// LockdownStatus prints whether a site is in lockdown, and which readers have confirmed
// their last command.
func (c Client) LockdownStatus(ctx context.Context, w io.Writer, site string, f Form) error {
	var l locked
	if err := c.get(ctx, c.lockdownPath(site), nil, &l); err != nil {
		return err
	}
	readers, err := List[item](ctx, c, commands.Path, url.Values{"site": {site}})
	if err != nil {
		return err
	}
	told := []item{}
	for _, d := range readers {
		if d["command"] != nil {
			told = append(told, d)
		}
	}
	if f.JSON {
		return writeJSON(w, map[string]any{"site": l.Site, "active": l.Active, "since": l.Since, "readers": told})
	}
	says := site + " is not in lockdown.\n"
	if l.Active {
		says = site + " is in lockdown"
		if l.Since != nil {
			says += " since " + l.Since.In(f.Zone).Format(time.DateTime)
		}
		says += ": only responders may enter; exits open.\n"
	}
	if _, err := io.WriteString(w, says); err != nil || len(told) == 0 {
		return err
	}
	return commands.write(w, told, f)
}

// Acknowledge says that somebody looks after an alarm.
func (c Client) Acknowledge(ctx context.Context, w io.Writer, id string) error {
	err := c.send(ctx, http.MethodPut, "/v1/alarms/"+url.PathEscape(id)+"/acknowledgement", struct{}{}, nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "The alarm %s is acknowledged.\n", id)
	return err
}

// Secret makes a device's new secret, and prints it: it is shown once.
func (c Client) Secret(ctx context.Context, w io.Writer, device string) error {
	var v item
	err := c.send(ctx, http.MethodPost, "/v1/devices/"+url.PathEscape(device)+"/secret", struct{}{}, &v)
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

// Question is what access check and explain ask.
type Question struct {
	Credential   string     `json:"credential,omitempty"`
	CredentialID string     `json:"credential_id,omitempty"`
	Door         string     `json:"door"`
	Direction    string     `json:"direction"`
	At           *time.Time `json:"at,omitempty"`
}

// verdict is why a badge opens a door or not.
type verdict struct {
	Granted bool
	Reason  access.Reason
	Lease   *string
	Member  *string
	Pass    *string
	Tried   []struct {
		Right, Failed    *string
		Lease, ID, Space *string
		From, To         *time.Time
	}
	Read *struct {
		Door, Direction string
		At              time.Time
	}
}

// Check prints what would be decided.
func (c Client) Check(ctx context.Context, w io.Writer, q Question, f Form) error {
	var v item
	if err := c.send(ctx, http.MethodPost, "/v1/access/check", q, &v); err != nil {
		return err
	}
	if f.JSON {
		return writeJSON(w, v)
	}
	answer := "refused"
	if v["granted"] == true {
		answer = "granted"
	}
	line := answer + ": " + said(v["reason"], f.Zone)
	if lease := said(v["lease"], f.Zone); lease != "" {
		line += ", by lease " + lease
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// Explain prints why a badge would be let through or not, in words.
func (c Client) Explain(ctx context.Context, w io.Writer, q Question, f Form) error {
	return c.why(ctx, w, http.MethodPost, "/v1/access/explain", q, f)
}

// ExplainRead prints why a read was granted or refused.
func (c Client) ExplainRead(ctx context.Context, w io.Writer, read string, f Form) error {
	return c.why(ctx, w, http.MethodGet, "/v1/access/reads/"+url.PathEscape(read)+"/explain", nil, f)
}

func (c Client) why(ctx context.Context, w io.Writer, method, path string, body any, f Form) error {
	if f.JSON {
		var v item
		if err := c.askJSON(ctx, method, path, body, &v); err != nil {
			return err
		}
		return writeJSON(w, v)
	}
	var v verdict
	if err := c.askJSON(ctx, method, path, body, &v); err != nil {
		return err
	}
	answer := "Refused"
	if v.Granted {
		answer = "Granted"
	}
	if r := v.Read; r != nil {
		answer += " at " + r.Door + " (" + r.Direction + "), " + r.At.In(f.Zone).Format(time.DateTime)
	}
	if v.Member != nil {
		answer += ", to " + *v.Member
	}
	if _, err := fmt.Fprintf(w, "%s: %s. %s\n", answer, v.Reason, inWords[v.Reason]); err != nil || len(v.Tried) == 0 {
		return err
	}
	t := newTable("<right", "<of", "<space", "<from", "<to", "<opens, or why not")
	for _, x := range v.Tried {
		of := x.Lease
		if of == nil {
			of = x.ID
		}
		opens := text(x.Failed)
		if opens == "" {
			opens = "it opens"
		}
		t.row(text(x.Right), text(of), text(x.Space), instant(x.From, f.Zone), instant(x.To, f.Zone), opens)
	}
	return t.write(w)
}

// askJSON sends a body where the method has one.
func (c Client) askJSON(ctx context.Context, method, path string, body, into any) error {
	if method == http.MethodGet {
		return c.get(ctx, path, nil, into)
	}
	return c.send(ctx, method, path, body, into)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func instant(t *time.Time, zone *time.Location) string {
	if t == nil {
		return ""
	}
	return t.In(zone).Format(time.DateTime)
}

// Rollcall prints who is in a building by the badges, and how many the sensors see.
func (c Client) Rollcall(ctx context.Context, w io.Writer, building string, f Form) error {
	var v struct {
		People, Spaces []item
	}
	path := "/v1/buildings/" + url.PathEscape(building) + "/rollcall"
	if f.JSON {
		var whole item
		if err := c.get(ctx, path, nil, &whole); err != nil {
			return err
		}
		return writeJSON(w, whole)
	}
	if err := c.get(ctx, path, nil, &v); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%d people by their badges:\n", len(v.People)); err != nil {
		return err
	}
	people := Listing{Columns: []Column{
		{"name", "name"}, {"tenant", "tenant"}, {"host", "host"}, {"space", "space"}, {"last door", "door"}, {"at", "at"},
	}}
	if err := people.write(w, v.People, f); err != nil {
		return err
	}
	spaces := Listing{Columns: []Column{
		{"space", "space"}, {"by badges", "badges"}, {"with those below", "within"}, {"by sensors", "sensors"},
		{"occupied", "occupied"},
	}}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return spaces.write(w, v.Spaces, f)
}

// RevokeToken ends a token, with the streams and connections that use it.
func (c Client) RevokeToken(ctx context.Context, w io.Writer, id string) error {
	if err := c.send(ctx, http.MethodDelete, "/v1/tokens/"+url.PathEscape(id), nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "The token %s is revoked; what used it is disconnected.\n", id)
	return err
}
