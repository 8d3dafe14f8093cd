package catalogue

// deepestYAML is how deep lists and mappings may be nested: none here is deeper
// than four. The library takes memory with the square of it.
const deepestYAML = 32

// tooDeep returns the line at which text is nested too deep; 0: it is not. It counts
// brackets, those in texts too, and the dashes and blanks that begin a line.
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
