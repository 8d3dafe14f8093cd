package api

import (
	"context"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mosquitto"
)

const tagOperations = "Operations"

type alarm struct {
	ID             string              `json:"id"`
	Kind           ingest.AlarmKind    `json:"kind"`
	Site           catalogue.SiteID    `json:"site"`
	Device         *catalogue.DeviceID `json:"device"`
	Door           *catalogue.DoorID   `json:"door"`
	Space          *catalogue.SpaceID  `json:"space"`
	Detail         string              `json:"detail"`
	Since          catalogue.Instant   `json:"since"`
	ClearedAt      *catalogue.Instant  `json:"cleared_at"`
	AcknowledgedBy *string             `json:"acknowledged_by"`
}

func showAlarm(a ingest.Alarm) alarm {
	return alarm{
		a.ID,
		a.Kind,
		a.Site,
		orNil(a.Device),
		orNil(a.Door),
		orNil(a.Space),
		a.Detail,
		instant(a.Since),
		instantOrNil(a.ClearedAt),
		orNil(a.AcknowledgedBy),
	}
}

type alarmsIn struct {
	SiteFilter
	Open bool `query:"open" doc:"Only alarms that have not cleared."`
}

type reject struct {
	ID         string            `json:"id"`
	ReceivedAt catalogue.Instant `json:"received_at"`
	Topic      string            `json:"topic"`
	Payload    string            `json:"payload"`
	Encoding   string            `json:"encoding" enum:"text,base64"`
	Reason     string            `json:"reason"`
}

func showReject(r ingest.Reject) reject {
	out := reject{strconv.FormatInt(r.Seq, 10), instant(r.ReceivedAt), r.Topic, string(r.Payload), "text", r.Reason}
	if !utf8.Valid(r.Payload) {
		out.Payload, out.Encoding = base64.StdEncoding.EncodeToString(r.Payload), "base64"
	}
	return out
}

type verifyOut struct {
	OK       bool   `json:"ok"`
	Entries  int64  `json:"entries"`
	Erased   int64  `json:"erased" doc:"Entries whose content was erased on purpose."`
	BrokenAt *int64 `json:"broken_at" doc:"The first entry that does not hold."`
	Why      string `json:"why,omitempty"`
}

type actView struct {
	Seq    int64             `json:"seq"`
	At     catalogue.Instant `json:"at"`
	Actor  string            `json:"actor"`
	Action string            `json:"action"`
	Target string            `json:"target"`
	Body   any               `json:"body"`
}

type secretOut struct {
	Username  string `json:"username"`
	Password  string `json:"password"`
	SiteKey   string `json:"site_key" doc:"Verifies the site's signatures: Ed25519, unpadded base64url."`
	SiteKeyID string `json:"site_key_id"`
	ListKey   string `json:"list_key" doc:"The HMAC-SHA-256 key by which the allowlist hashes credentials, unpadded base64url."`
	ListKeyID string `json:"list_key_id"`
	// All list keys, the first innermost: hash = HMAC(newest, … HMAC(first,
	// bytes)).
	ListKeys []listKey `json:"list_keys" nullable:"false" doc:"All of the list's keys, the first innermost: the allowlist of a device with this secret hashes with each over the one before."`
}

type listKey struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

func (s *server) operations() {
	huma.Register(s.api, operation("GET", "/v1/alarms", tagOperations, "Alarms, newest first.", Admin, Manager), s.alarms)
	huma.Register(s.api,
		operation("PUT", "/v1/alarms/{id}/acknowledgement", tagOperations, "Acknowledge an alarm.", Admin, Manager),
		s.acknowledge,
	)
	huma.Register(
		s.api,
		operation("GET", "/v1/rejects", tagOperations, "Rejected messages, newest first.", Admin, Manager),
		s.rejects,
	)
	huma.Register(s.api,
		operation(
			"GET",
			"/v1/audit/verify",
			tagOperations,
			"Check whether the ledger was altered: walk the audit chain, compare records with it, compute a sample of visits again.",
			Admin,
			Manager,
		),
		func(ctx context.Context, _ *struct{}) (*one[verifyOut], error) {
			a, err := s.cfg.Verify(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			out := verifyOut{OK: a.OK, Entries: a.Entries, Erased: a.Erased, Why: a.Why}
			if !a.OK {
				out.BrokenAt = &a.BrokenAt
			}
			return &one[verifyOut]{out}, nil
		},
	)
	type auditIn struct {
		Paging
		Target string `query:"target" required:"true" minLength:"1" doc:"kind/id, as lease/atelier-2026."`
	}
	huma.Register(s.api, operation("GET", "/v1/audit", tagOperations, "The acts on one thing, oldest first.", Admin),
		func(ctx context.Context, in *auditIn) (*pageOut[actView], error) {
			acts, err := s.cfg.Ledger.Acts(ctx, in.Target)
			if err != nil {
				return nil, s.fail(err)
			}
			return pageOfAll(Tabular{Paging: in.Paging}, acts, showAct)
		},
	)
	huma.Register(s.api,
		operation(
			"POST",
			"/v1/devices/{id}/secret",
			tagOperations,
			"Give a device a new secret, shown once; the former one stops working.",
			Admin,
		),
		s.secret,
	)
}

func (s *server) alarms(ctx context.Context, in *alarmsIn) (*pageOut[alarm], error) {
	if err := s.checkSite(in.Site); err != nil {
		return nil, err
	}
	f := ledger.AlarmFilter{Sites: callerOf(ctx).scope(), OpenOnly: in.Open, Limit: in.Limit + 1}
	if in.Site != "" {
		if !callerOf(ctx).reaches(catalogue.SiteID(in.Site)) {
			return nil, forbidden("site " + in.Site)
		}
		f.Sites = []catalogue.SiteID{catalogue.SiteID(in.Site)}
	}
	if parts, err := in.decode(2); err != nil {
		return nil, err
	} else if parts != nil {
		since, err := strconv.ParseInt(parts[0], 10, 64)
		if err != nil {
			return nil, in.wrongCursor()
		}
		f.AfterSince, f.AfterID = time.UnixMilli(since), parts[1]
	}
	alarms, err := s.cfg.Ledger.Alarms(ctx, f)
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOf(in.Limit,
		alarms,
		showAlarm,
		func(a ingest.Alarm) []string { return []string{strconv.FormatInt(a.Since.UnixMilli(), 10), a.ID} },
	), nil
}

type alarmPath struct {
	ID string `path:"id" maxLength:"200"`
}

func (s *server) acknowledge(ctx context.Context, in *alarmPath) (*one[alarm], error) {
	c := callerOf(ctx)
	found, err := s.cfg.Ledger.Alarms(ctx, ledger.AlarmFilter{Sites: c.scope(), ID: in.ID, Limit: 1})
	if err != nil {
		return nil, s.fail(err)
	}
	if len(found) == 0 {
		return nil, notFound("alarm " + in.ID)
	}
	err = s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.AcknowledgeAlarm(in.ID, c.id); err != nil {
			return err
		}
		return tx.AddAct(
			&ingest.Act{At: s.cfg.Now().UTC(), Actor: c.id, Action: "acknowledge", Target: "alarm/" + in.ID, Body: []byte("{}")},
		)
	})
	if err != nil {
		return nil, s.fail(err)
	}
	found[0].AcknowledgedBy = c.id
	s.cfg.Live.AlarmChanged(found[0])
	return &one[alarm]{showAlarm(found[0])}, nil
}

func (s *server) rejects(ctx context.Context, in *Paging) (*pageOut[reject], error) {
	parts, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	var before int64
	if parts != nil {
		if before, err = strconv.ParseInt(parts[0], 10, 64); err != nil || before < 1 {
			return nil, in.wrongCursor()
		}
	}
	list, err := s.cfg.Ledger.Rejects(ctx, s.ownTopics(ctx), before, in.Limit+1)
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOf(in.Limit,
		list,
		showReject,
		func(r ingest.Reject) []string { return []string{strconv.FormatInt(r.Seq, 10)} },
	), nil
}

func showAct(a ingest.Act) actView {
	v := actView{Seq: a.Seq, At: instant(a.At), Actor: a.Actor, Action: a.Action, Target: a.Target}
	if a.Body != nil {
		v.Body = rawJSON(a.Body)
	}
	return v
}

func (s *server) secret(ctx context.Context, in *IDPath) (*one[secretOut], error) {
	dev := s.cfg.Network.Device(catalogue.DeviceID(in.ID))
	if dev == nil {
		return nil, notFound("device " + in.ID)
	}
	password, listKeys := keys.NewSecret(), s.cfg.Keys.ListKeys()
	hashed := mosquitto.Hash(password)
	err := s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutDeviceSecret(dev.ID, keys.HashSecret(password), hashed, len(listKeys)); err != nil {
			return err
		}
		return tx.AddAct(
			&ingest.Act{
				At:     s.cfg.Now().UTC(),
				Actor:  callerOf(ctx).id,
				Action: "secret",
				Target: "device/" + in.ID,
				Body:   ledger.SecretAct(keys.HashSecret(password), hashed),
			},
		)
	})
	if err == nil {
		err = s.cfg.Sessions.SecretChanged(ctx, dev.ID)
	}
	if err != nil {
		return nil, s.fail(err)
	}
	key, _ := s.cfg.Keys.Site(dev.Site)
	b64 := base64.RawURLEncoding
	list := make([]listKey, len(listKeys))
	for i, k := range listKeys {
		list[i] = listKey{keys.ListKeyID(i + 1), b64.EncodeToString(k)}
	}
	return &one[secretOut]{
		secretOut{
			ListKeys:  list,
			Username:  in.ID,
			Password:  password,
			SiteKey:   b64.EncodeToString(key.Public()),
			SiteKeyID: key.ID,
			ListKey:   b64.EncodeToString(s.cfg.Keys.List()),
			ListKeyID: keys.ListKeyID(1),
		},
	}, nil
}
