package yamldoc

// deepestYAML is how deeply lists and mappings may be nested; no valid
// catalogue is nested deeper than four. The library's memory grows with the
// square of the depth.
const deepestYAML = 32

// tooDeep returns the line at which text is nested too deeply; 0: it is not. It
// counts brackets, also those in texts, and the dashes and blanks at the
// beginning of a line.
func tooDeep(text string) int {
	line, brackets, begins := 1, 0, 0
	beginning := true
	for i := range len(text) {
		switch c := text[i]; c {
		case '\n':
			line, begins, beginning = line+1, 0, true
			continue
		case '-', '?', ' ', '\t', ':':
			if begins++; beginning && begins > 8*deepestYAML {
				return line
			}
			continue
		case '[', '{':
			if brackets++; brackets > deepestYAML {
				return line
			}
		case ']', '}':
			brackets = max(0, brackets-1)
		}
		beginning = false
	}
	return 0
}
