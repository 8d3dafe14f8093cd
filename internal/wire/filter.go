package wire

import "strings"

// Covers reports whether an MQTT filter matches a topic.
func Covers(filter, topic string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, restT, moreT := strings.Cut(topic, "/")
		if f != "+" && f != t || moreF != moreT && restF != "#" {
			return false
		}
		if !moreF || !moreT {
			return true
		}
		filter, topic = restF, restT
	}
}

// CoversFilter reports whether an MQTT filter matches every topic that another one
// matches.
func CoversFilter(filter, other string) bool {
	all, manyLevels := strings.CutSuffix(other, "#")
	if !manyLevels {
		return Covers(filter, other) // + is a level like another, and only + and # match it
	}
	switch above, many := strings.CutSuffix(filter, "#"); {
	case !many:
		return false
	case above == "" || all == "":
		return above == ""
	default:
		return Covers(filter, all+"x") && strings.Count(above, "/") <= strings.Count(all, "/")
	}
}
