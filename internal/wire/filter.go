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

// Meet returns the filter for the topics that two filters both match; ok is false where
// there is none.
func Meet(a, b string) (filter string, ok bool) {
	var levels []string
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := 0; ; i++ {
		switch {
		case i < len(as) && as[i] == "#":
			return strings.Join(append(levels, bs[min(i, len(bs)):]...), "/"), true
		case i < len(bs) && bs[i] == "#":
			return strings.Join(append(levels, as[min(i, len(as)):]...), "/"), true
		case i == len(as) || i == len(bs):
			return strings.Join(levels, "/"), len(as) == len(bs)
		case as[i] == "+":
			levels = append(levels, bs[i])
		case bs[i] == "+" || as[i] == bs[i]:
			levels = append(levels, as[i])
		default:
			return "", false
		}
	}
}
