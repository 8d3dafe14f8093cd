package foreign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// The settings of UHPPOTE controllers.
const (
	settingController = "controller" // its device-id
	settingDoor       = "door"       // the door-id on it
	settingHMAC       = "hmac_key"   // key of the gateway; without it the hmac is not checked

	adapterUhppoted = "uhppoted"
)

// uhppoted reads uhppoted-mqtt's events. The controller decides by itself; an
// event arrives on two topics and again after a reconnect. Events with small
// card numbers are doors, buttons and supervisors, not cards.
func uhppoted() adapter {
	return adapter{
		filters:   func(address string) []string { return []string{address + "/events", address + "/events/live"} },
		everyone:  nil,
		addresses: uhppotedAddresses,
		settings:  []string{settingController, settingDoor, settingHMAC},
		kinds:     []catalogue.DeviceKind{catalogue.Reader, catalogue.DoorContact},
		chatter:   func(address, topic string) bool { return strings.HasPrefix(topic, address+"/") },
		check:     checkUhppoted,
		read:      readUhppoted,
	}
}

func uhppotedAddresses(topic string) []string {
	for _, tail := range []string{"/events/live", "/events"} {
		if root, ok := strings.CutSuffix(topic, tail); ok && root != "" {
			return []string{root}
		}
	}
	return nil
}

func checkUhppoted(d *catalogue.Device) error {
	for _, name := range []string{settingController, settingDoor} {
		if _, err := strconv.ParseUint(d.Settings[name], 10, 32); err != nil {
			return fieldError("settings."+name, "is missing or not a number")
		}
	}
	switch {
	case d.Settings[settingCard] == cardHex:
		return fieldError("settings."+settingCard, "must be little or big: a controller sends cards as numbers")
	case d.Settings[SettingTimezone] == "":
		return fieldError(
			"settings."+SettingTimezone,
			"is missing: the controller's clock has no zone, and its events may arrive hours late",
		)
	}
	return nil
}

const (
	// uhppoteLastSwipe is the last event-reason of a swipe, granted (1) or
	// refused; higher ones are buttons, doors, passwords and the controller's
	// own.
	uhppoteLastSwipe = 19
	// uhppoteSwipe is the event-type of a swipe. It is used only where an event has no
	// event-reason: a granted swipe has a reason, but the event-type of a door.
	uhppoteSwipe = 1
	// uhppoteIn and uhppoteOut are directions; 0 is none, as in some refusals.
	uhppoteIn, uhppoteOut = 1, 2
	// uhppoteOpened and Closed are card numbers of door events.
	uhppoteOpened, uhppoteClosed = 8, 9
)

// noCards returns card numbers under which the controller reports other things:
// a button, the door opened and closed, a supervisor's password, a remote
// command.
func noCards() []uint64 { return []uint64{0, 1, uhppoteOpened, uhppoteClosed, 10, 3922570474} }

func readUhppoted(d *catalogue.Device, topic string, payload []byte, _ time.Time) ([]Reading, error) {
	raw, sum, err := uhppotedEnvelope(payload)
	if err != nil {
		return nil, err
	}
	if key := d.Settings[settingHMAC]; key != "" && !authentic(key, raw, sum) {
		return nil, fieldError("hmac", "does not fit the message")
	}
	l, err := parseLoose(raw)
	if err != nil {
		return nil, err
	}
	e := l.object("event").object("event")
	if spelled(e, "device-id") != d.Settings[settingController] || spelled(e, "door-id") != d.Settings[settingDoor] {
		return nil, *l.err
	}
	// The controller's numbers begin again when its memory is cleared, so the
	// clock's time is part of the key.
	stamp, _ := e.word("timestamp")
	r := Reading{
		At:   wallClock(d, e, "timestamp"),
		Key:  spelled(e, "device-id") + " " + spelled(e, "event-id") + " " + stamp,
		Live: strings.HasSuffix(topic, "/live"),
	}
	if !e.has("event-id") {
		r.Key = ""
	}
	switch card := orZero(e.total("card-number")); {
	case d.Kind == catalogue.Reader:
		r.Badge = uhppotedBadge(d, e, card)
	case d.Kind == catalogue.DoorContact && card == uhppoteOpened:
		r.Door = wire.DoorOpen
	case d.Kind == catalogue.DoorContact && card == uhppoteClosed:
		r.Door = wire.DoorClosed
	}
	return []Reading{r}, *l.err
}

// uhppotedEnvelope keeps the message's bytes unchanged: its hmac is computed
// over them.
func uhppotedEnvelope(payload []byte) (message []byte, sum string, err error) {
	var envelope struct {
		Message json.RawMessage `json:"message"`
		HMAC    string          `json:"hmac"`
	}
	if err := json.Unmarshal(payload, &envelope); err != nil {
		return nil, "", fieldError("", "is not valid JSON")
	}
	if len(envelope.Message) == 0 {
		return nil, "", fieldError("message", "is missing")
	}
	return envelope.Message, envelope.HMAC, nil
}

func authentic(key string, message []byte, sum string) bool {
	want, err := hex.DecodeString(sum)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(message)
	return hmac.Equal(mac.Sum(nil), want)
}

// uhppotedBadge reads a swipe in the device's own direction.
func uhppotedBadge(d *catalogue.Device, e loose, card uint64) *wire.BadgeBody {
	if !uhppotedSwipe(e) || slices.Contains(noCards(), card) {
		return nil
	}
	granted := e.flag("access-granted")
	if granted == nil {
		e.fail("access-granted", "is missing")
		return nil
	}
	switch direction := orZero(e.total("direction")); {
	case direction == uhppoteIn && d.Direction == catalogue.In, direction == uhppoteOut && d.Direction == catalogue.Out:
	case direction == 0 && !*granted && d.Direction == catalogue.In: // refused: the controller does not tell on which side
	default:
		return nil
	}
	c, err := wire.ParseDecimalUID(strconv.FormatUint(card, 10))
	if err != nil {
		e.fail("card-number", "is not a card number")
		return nil
	}
	if d.Settings[settingCard] == cardBig {
		slices.Reverse(c)
	}
	return &wire.BadgeBody{
		Credential: wire.Credential{Bytes: c},
		Offline:    &wire.Offline{Granted: *granted, Reason: "uhppoted-" + spelled(e, "event-reason")},
	}
}

// uhppotedSwipe reports whether an event is a card at a reader.
func uhppotedSwipe(e loose) bool {
	if reason := e.total("event-reason"); reason != nil && *reason > 0 {
		return *reason <= uhppoteLastSwipe
	}
	return orZero(e.total("event-type")) == uhppoteSwipe
}

// uhppotedNumber returns the number of a controller's event. boot is the same for
// all events of one controller: its numbers do not begin again when it restarts. ok
// is false where the payload is not an event of d's controller.
func uhppotedNumber(d *catalogue.Device, payload []byte) (boot uuid.UUID, number uint64, ok bool) {
	if d.Adapter != adapterUhppoted {
		return boot, 0, false
	}
	raw, sum, err := uhppotedEnvelope(payload)
	if err != nil || d.Settings[settingHMAC] != "" && !authentic(d.Settings[settingHMAC], raw, sum) {
		return boot, 0, false
	}
	l, err := parseLoose(raw)
	if err != nil {
		return boot, 0, false
	}
	e := l.object("event").object("event")
	n := e.total("event-id")
	if n == nil || spelled(e, "device-id") != d.Settings[settingController] {
		return boot, 0, false
	}
	return uuid.NewSHA1(namespace, []byte("controller "+d.Settings[settingController])), *n, true
}

// wallClock reads a time whose zone letters the gateway may have added wrongly:
// the zone is that of the setting.
func wallClock(d *catalogue.Device, e loose, key string) time.Time {
	text, ok := e.word(key)
	zone := d.Settings[SettingTimezone]
	if !ok || zone == "" {
		return time.Time{}
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || len(text) < len("2006-01-02 15:04:05") {
		e.fail(key, "is not a time like 2026-11-23 08:00:00 CET")
		return time.Time{}
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05", strings.Replace(text[:19], "T", " ", 1), loc)
	if err != nil {
		e.fail(key, "is not a time like 2026-11-23 08:00:00 CET")
	}
	return t
}
