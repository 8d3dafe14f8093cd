package foreign

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// The settings of esp-rfid readers.
const (
	settingDoorIP   = "doorip"   // address of the lock that Totem opens
	settingDoorName = "doorname" // which door, where the reader has several
	adapterESPRFID  = "esp-rfid"
)

// espRFID reads esp-rfid's events. The reader decides about the cards that it
// knows; about others it asks, and Totem opens the door by its command. The
// user's name that comes with an event is dropped.
func espRFID() adapter {
	return adapter{
		filters:   func(address string) []string { return []string{address + "/send", address + "/tag"} },
		everyone:  nil, // two-level wildcards would match half of a broker's topics
		addresses: espRFIDAddresses,
		kinds:     []catalogue.DeviceKind{catalogue.Reader, catalogue.DoorContact},
		settings:  []string{settingDoorIP, settingDoorName},
		read:      readESPRFID,
	}
}

func espRFIDAddresses(topic string) []string {
	for _, tail := range []string{"/send", "/tag"} {
		if address, ok := strings.CutSuffix(topic, tail); ok && address != "" {
			return []string{address}
		}
	}
	return nil
}

// Open returns how Totem opens a real reader's door, where it can: a
// message to the reader.
func Open(d *catalogue.Device) (topic string, payload []byte, ok bool) {
	ip := d.Settings[settingDoorIP]
	if d.Adapter != adapterESPRFID || ip == "" {
		return "", nil, false
	}
	payload, err := json.Marshal(struct {
		Cmd    string `json:"cmd"`
		DoorIP string `json:"doorip"`
	}{"opendoor", ip})
	return d.Address + "/cmd", payload, err == nil
}

func readESPRFID(d *catalogue.Device, _ string, payload []byte, _ time.Time) ([]Reading, error) {
	l, err := parseLoose(payload)
	if err != nil {
		return nil, err
	}
	r := Reading{At: l.seconds("time")}
	kind, _ := l.word("type")
	switch {
	case kind == "access" || kind == "" && l.has("uid"):
		if uid, isText := l.fields["uid"].(string); isText && strings.TrimSpace(uid) == "" {
			return nil, *l.err // the report that the door opened by Totem's command
		}
		if d.Kind == catalogue.Reader {
			r.Badge = espBadge(d, l)
			r.Key, r.KeyHasClock = espKey(l), true
		}
	case kind == "boot":
		r.Online = new(true)
	case kind == "heartbeat":
		r.Online, r.Uptime = new(true), l.secondary().number("uptime")
	case kind == "INFO" || kind == "WARN":
		r.Door = espDoor(l)
	default:
		return nil, *l.err
	}
	return []Reading{r}, *l.err
}

// espKey identifies an event among its repeats, without the UID in it.
func espKey(l loose) string {
	host, _ := l.word("hostname")
	uid := text(l.fields["uid"])
	sum := sha256.Sum256([]byte(host + "\x00" + spelled(l, "time") + "\x00" + uid))
	return hex.EncodeToString(sum[:16])
}

// espBadge reads a card and what the reader did with it.
func espBadge(d *catalogue.Device, l loose) *wire.BadgeBody {
	b := l.card(d, "uid")
	if b == nil {
		return nil
	}
	known := espKnown(l)
	// In its Home Assistant mode it does not send isKnown, but what it did.
	if known == nil && l.has("access") {
		known = new(!strings.EqualFold(espAccess(d, l), "denied"))
	}
	if known == nil || !*known {
		return b // it asks for a decision
	}
	word := strings.ToLower(espAccess(d, l))
	switch word {
	case "always", "admin":
		b.Offline = &wire.Offline{Granted: true, Reason: word}
	case "disabled", "denied", "expired", "notvalid", "notvalidyet":
		b.Offline = &wire.Offline{Granted: false, Reason: word}
	default:
		l.fail("access", "is not a word that tells whether the door opened")
		return nil
	}
	return b
}

// espKnown reads isKnown: a word, or a flag.
func espKnown(l loose) *bool {
	if _, is := l.fields["isKnown"].(bool); is {
		return l.flag("isKnown")
	}
	return l.yesNoWord("isKnown", []string{"true"}, []string{"false"})
}

// espAccess returns a word, or one for each of several doors.
func espAccess(d *catalogue.Device, l loose) string {
	list, is := l.fields["access"].([]any)
	if !is {
		word, _ := l.word("access")
		return word
	}
	pick := 0
	if len(list) != 1 {
		names, _ := l.fields["doorName"].([]any)
		pick = -1
		for i, n := range names {
			if n == d.Settings[settingDoorName] {
				pick = i
			}
		}
	}
	if pick < 0 || pick >= len(list) {
		l.needs("access", settingDoorName, "is for several doors: set doorname in the catalogue")
		return ""
	}
	word, _ := list[pick].(string)
	return word
}

// espDoor reads the state of the door, where the words are unambiguous.
func espDoor(l loose) wire.DoorState {
	if src, _ := l.word("src"); src != "door" {
		return ""
	}
	words, _ := l.word("desc")
	switch strings.ToLower(words) {
	case "door open", "door opened":
		return wire.DoorOpen
	case "door closed":
		return wire.DoorClosed
	}
	return ""
}
