package sheets

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// plain removes accents, case, and everything that is not a letter or digit.
func plain(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
		return strings.Map(plainRune, s)
	}
	bare, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), s)
	if err != nil {
		return ""
	}
	return strings.Map(plainRune, ligatures.Replace(bare))
}

var ligatures = strings.NewReplacer("œ", "oe", "Œ", "oe", "æ", "ae", "ß", "ss")

// plainRune returns a letter or a digit in lower case; anything else is left out.
func plainRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return r
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return unicode.ToLower(r)
	case r == '²':
		return '2'
	}
	return -1
}

// slug makes an id from a name; empty where nothing is left of it.
func slug(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) &&
			!unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
	}) {
		word = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, plain(word))
		if word == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('-')
		}
		b.WriteString(word)
	}
	s := b.String()
	return strings.Trim(s[:min(len(s), 60)], "-")
}

// cellText returns a cell's text without the spaces around it. An apostrophe in
// front, which keeps a spreadsheet from reading the cell as a formula, is removed;
// the text behind it keeps its spaces, and is unquoted where textCell quoted it.
func cellText(cell string) string {
	trimmed := strings.TrimSpace(cell)
	rest, ok := strings.CutPrefix(trimmed, "'")
	if !ok {
		return trimmed
	}
	if quoted, err := strconv.Unquote(rest); err == nil && rest[0] == '"' {
		return quoted
	}
	return rest
}

// textCell writes a text so that cellText reads it back, and no spreadsheet
// reads it as a formula.
func textCell(s string) string {
	switch {
	case s == "":
		return s
	case s != strings.TrimSpace(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "'" + strconv.Quote(s)
	case strings.ContainsRune("=+-@'", rune(s[0])):
		return "'" + s
	}
	return s
}

var (
	isoDay    = regexp.MustCompile(`^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]00:00(?::00)?)?$`)
	frenchDay = regexp.MustCompile(`^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?: 0?0:00(?::00)?)?$`)
)

// parseDay reads 2026-10-31, 31/10/2026, 31.10.26.
func parseDay(s string) (catalogue.Day, error) {
	var year, month, day string
	if m := isoDay.FindStringSubmatch(s); m != nil {
		year, month, day = m[1], m[2], m[3]
	} else if m := frenchDay.FindStringSubmatch(s); m != nil {
		year, month, day = m[3], m[2], m[1]
		if len(year) == 2 && year >= "70" {
			return 0, fmt.Errorf("%q: write the year in four digits", s)
		}
		if len(year) == 2 {
			year = "20" + year
		}
	} else {
		return 0, fmt.Errorf("%q is not a date like 31/10/2026 or 2026-10-31", s)
	}
	d, err := catalogue.ParseDay(fmt.Sprintf("%s-%02s-%02s", year, month, day))
	if err != nil {
		return 0, fmt.Errorf("%q does not exist in the calendar: dates are day/month/year or year-month-day", s)
	}
	return d, nil
}

// parseInstant reads an instant, or a local date and time; a date alone means
// its beginning.
func parseInstant(s string, zone *catalogue.Zone) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Truncate(time.Millisecond), nil
	}
	date, clock, timed := strings.Cut(s, " ")
	day, err := parseDay(date)
	if err != nil && (frenchDay.MatchString(date) || isoDay.MatchString(date)) {
		return time.Time{}, err
	}
	if err != nil {
		return time.Time{}, fmt.Errorf(
			"%q is not a date like 31/10/2026, with or without a time like 08:00, or an instant like 2026-10-31T07:00:00Z",
			s,
		)
	}
	if !timed {
		return zone.Start(day), nil
	}
	for _, layout := range []string{"15:04", "15:04:05", "15h04"} {
		if t, err := time.Parse(layout, strings.TrimSpace(clock)); err == nil {
			return zone.Instant(day, t.Hour()*3600+t.Minute()*60+t.Second()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time of day like 08:00", clock)
}

// parseEnd reads an end: a date alone is included, and ends with its day.
func parseEnd(s string, zone *catalogue.Zone) (time.Time, error) {
	if day, err := parseDay(s); err == nil {
		return zone.Start(day + 1), nil
	}
	return parseInstant(s, zone)
}

// parseNumber reads 1234.5, 1 234,5, 1.234,50 and 1,234.50, with or without a
// unit, exactly as a decimal number.
func parseNumber(s string, units ...string) (*big.Rat, error) {
	text := strings.TrimSpace(s)
	for _, u := range units {
		text = strings.TrimSpace(strings.TrimSuffix(text, u))
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\'' {
			return -1
		}
		return r
	}, text)
	comma, point := strings.LastIndexByte(text, ','), strings.LastIndexByte(text, '.')
	switch {
	case comma >= 0 && point >= 0 && comma > point:
		text = strings.Replace(strings.ReplaceAll(text, ".", ""), ",", ".", 1)
	case comma >= 0 && point >= 0:
		text = strings.ReplaceAll(text, ",", "")
	default:
		text = strings.Replace(text, ",", ".", 1)
	}
	if !numberForm.MatchString(text) {
		return nil, fmt.Errorf("%q is not a number like 1234,56", s)
	}
	r, _ := new(big.Rat).SetString(text)
	return r, nil
}

// thousands matches a number that may have a separator of thousands or of
// decimals.
var thousands = regexp.MustCompile(`^-?([1-9]\d{0,2})[.,](\d{3})(?:[^\d.,].*)?$`)

var numberForm = regexp.MustCompile(`^-?\d{1,12}(\.\d{1,9})?$`)

// parseWhole reads a whole number of something; times scales it: 100 converts
// euros to cents.
func parseWhole(s string, times int64, units ...string) (int, error) {
	r, err := parseNumber(s, units...)
	if err != nil {
		return 0, err
	}
	if m := thousands.FindStringSubmatch(s); m != nil {
		return 0, fmt.Errorf(
			"%q may be %s,%s or %s%s: write it without a separator, or with two decimals",
			s,
			m[1],
			m[2],
			m[1],
			m[2],
		)
	}
	r.Mul(r, big.NewRat(times, 1))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, fmt.Errorf("%q has too many decimals", s)
	}
	return int(r.Num().Int64()), nil
}

func parseBool(s string) (bool, error) {
	switch plain(s) {
	case "true", "yes", "y", "oui", "o", "vrai", "x", "1":
		return true, nil
	case "false", "no", "n", "non", "faux", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q must be oui or non", s)
}

// none is the cell of an empty list, in a column whose empty cell means that there is no
// list: a lease without a list of members serves every member of its tenant.
const none = "-"

// parseList parses ids separated by spaces, commas, semicolons or bars.
func parseList[T ~string](s string) []T {
	list := []T{}
	for _, w := range strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(",;|", r)
	}) {
		if w != none {
			list = append(list, T(w))
		}
	}
	return list
}

func writeList[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = string(v)
	}
	return strings.Join(words, " ")
}

// parseWeek parses windows like "mon tue 08:00-20:00; sat 09:00-12:00".
func parseWeek(s string) (catalogue.Week, error) {
	week := catalogue.Week{}
	for part := range strings.SplitSeq(s, ";") {
		words := strings.FieldsFunc(part, func(r rune) bool { return unicode.IsSpace(r) || r == ',' })
		if len(words) == 0 {
			continue
		}
		var w catalogue.Window
		from, to, ok := strings.Cut(words[len(words)-1], "-")
		if !ok || w.From.UnmarshalText([]byte(from)) != nil || w.To.UnmarshalText([]byte(to)) != nil {
			return nil, fmt.Errorf("%q is not a window like mon tue 08:00-20:00", strings.TrimSpace(part))
		}
		for _, name := range words[:len(words)-1] {
			var d catalogue.Weekday
			if err := d.UnmarshalText([]byte(weekday(name))); err != nil {
				return nil, err
			}
			w.Days = append(w.Days, d)
		}
		week = append(week, w)
	}
	return week, nil
}

// weekday also knows French days.
func weekday(s string) string {
	french := []string{"lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"}
	english := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	p := plain(s)
	for i, f := range french {
		if p == f || p == f[:3] {
			return english[i]
		}
	}
	return s
}

func writeWeek(week catalogue.Week) string {
	var parts []string
	for _, w := range week {
		var words []string
		for _, d := range w.Days {
			words = append(words, d.String())
		}
		parts = append(parts, strings.Join(words, " ")+" "+w.From.String()+"-"+w.To.String())
	}
	return strings.Join(parts, "; ")
}

func parseHash(s string) (h tenancy.CredentialHash, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("is not a hash as an export writes it")
	}
	return tenancy.CredentialHash(b), nil
}

func writeHash(h tenancy.CredentialHash) string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// oneWord returns the value that a word, in French or English, means.
func oneWord(s string, words map[string]string) string {
	if v, ok := words[plain(s)]; ok {
		return v
	}
	return strings.ToLower(s)
}

// names reports whether a text is one of some, ignoring accents and case.
func names(s string, of ...string) bool {
	return slices.ContainsFunc(of, func(o string) bool { return plain(o) == plain(s) && plain(s) != "" })
}
