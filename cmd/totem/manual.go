package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints a script that completes commands and flags, made from the same description
// as the help.
func (c *completionCmd) Run(app *kong.Kong) error {
	words := wordsAfter(app.Model.Node, nil)
	switch c.Shell {
	case "fish":
		for path, next := range sorted(words) {
			condition := "test (string join ' ' (commandline -opc | string match -v -- '-*' | tail -n +2)) = '" + path + "'"
			fmt.Printf("complete -c totem -f -n %q -a %q\n", condition, strings.Join(next, " "))
		}
	default:
		if c.Shell == "zsh" {
			fmt.Println("autoload -U +X bashcompinit && bashcompinit")
		}
		fmt.Print("_totem() {\n  local path='' word\n  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n" +
			"    case $word in -*) ;; *) path=\"${path:+$path }$word\" ;; esac\n  done\n  local next=''\n  case $path in\n")
		for path, next := range sorted(words) {
			fmt.Printf("    '%s') next='%s' ;;\n", path, strings.Join(next, " "))
		}
		fmt.Print("  esac\n  COMPREPLY=($(compgen -W \"$next\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n" +
			"complete -o default -F _totem totem\n")
	}
	return nil
}

// wordsAfter returns, for each command's words, what may follow: commands and flags.
func wordsAfter(n *kong.Node, path []string) map[string][]string {
	words := map[string][]string{}
	var next []string
	for _, f := range n.Flags {
		if !f.Hidden {
			next = append(next, "--"+f.Name)
		}
	}
	for _, child := range n.Children {
		if child.Hidden {
			continue
		}
		next = append(next, child.Name)
		maps.Copy(words, wordsAfter(child, append(slices.Clone(path), child.Name)))
	}
	words[strings.Join(path, " ")] = next
	return words
}

// sorted yields a map by its keys.
func sorted(m map[string][]string) func(func(string, []string) bool) {
	return func(yield func(string, []string) bool) {
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

type manualCmd struct{}

// Run prints the manual page, made from the same description as the help.
func (manualCmd) Run(app *kong.Kong) error {
	fmt.Printf(".TH TOTEM 1\n.SH NAME\ntotem \\- access and occupancy of the buildings\n"+
		".SH SYNOPSIS\n.B totem\n.I command\n[flags]\n.SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(app.Model.Help))
	for _, leaf := range app.Model.Leaves(true) {
		fmt.Printf(".SS totem %s\n%s\n", roff(leaf.Path()), roff(leaf.Help))
		for _, p := range leaf.Positional {
			fmt.Printf(".TP\n.I %s\n%s\n", roff(p.Summary()), roff(p.Help))
		}
		for _, f := range leaf.Flags {
			if f.Hidden {
				continue
			}
			fmt.Printf(".TP\n.B %s\n%s", roff(f.String()), roff(f.Help))
			if len(f.Envs) > 0 {
				fmt.Printf(" ($%s)", strings.Join(f.Envs, ", $"))
			}
			fmt.Println()
		}
	}
	fmt.Print(".SH EXIT STATUS\n.TP\n.B 0\nIt is done.\n.TP\n.B 1\nIt failed; the last line of the errors says why.\n" +
		".TP\n.B 2\nIt was called wrongly.\n.SH SEE ALSO\nthe folder docs of the source\n")
	return nil
}

// roff escapes what troff would read as its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
