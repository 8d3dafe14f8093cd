package sheets

import (
	"strings"
	"unicode"

	"golang.org/x/text/encoding/charmap"
)

// french are the letters beyond ASCII that French uses, and signs that offices
// use.
const french = "àâäçéèêëîïôöùûüÿœæÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸŒÆ«»€°’–…²"

// eightBits decodes a text of one byte a letter: spreadsheets write
// Windows-1252, Mac Roman as "CSV (Macintosh)" and code page 850 as "CSV
// (MS-DOS)". It chooses the one whose letters look most like French; strange is
// a word that does not.
func eightBits(data []byte) (text, strange string) {
	pages := []*charmap.Charmap{charmap.Windows1252, charmap.CodePage850, charmap.Macintosh}
	if strings.Contains(strings.ReplaceAll(string(data), "\r\n", ""), "\r") {
		pages = []*charmap.Charmap{charmap.Windows1252, charmap.Macintosh, charmap.CodePage850}
	}
	most := -1 << 62
	for _, p := range pages {
		decoded, err := p.NewDecoder().String(string(data))
		if err != nil {
			continue
		}
		if n, odd := likely(decoded); n > most {
			most, text, strange = n, decoded, odd
		}
	}
	return text, strange
}

// likely scores a text's letters beyond ASCII, and returns a word that does not
// look right.
func likely(text string) (weight int, strange string) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return unicode.IsSpace(r) ||
			strings.ContainsRune(";,|", r)
	}) {
		before := rune(0)
		odd := false
		for _, r := range word {
			switch {
			case r <= unicode.MaxASCII:
			case unicode.IsUpper(r) && unicode.IsLower(before):
				weight -= 3
				odd = true
			case strings.ContainsRune(french, r):
				weight += 2
			case !unicode.IsLetter(r) || r == 'ƒ':
				weight -= 2
				odd = true
			}
			before = r
		}
		if odd && strange == "" {
			strange = word
		}
	}
	return weight, strange
}
