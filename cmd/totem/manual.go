package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints a script that completes commands and flags, made from the same description
// as the help.
func (c *completionCmd) Run(app *kong.Kong, out *printer) error {
	words := wordsAfter(app.Model.Node, nil)
	script := bash
	if c.Shell == "fish" {
		script = fish
	}
	return script.Execute(out, map[string]any{
		"Zsh":    c.Shell == "zsh",
		"Paths":  words,
		"Valued": valued(app.Model.Node, map[string]bool{}),
	})
}

// The scripts leave out flags, their values and arguments of what was typed, so that the
// commands remain, and offer what may follow these. Bash splits words at = and : too.
var (
	bash = template.Must(template.New("bash").Parse(`{{if .Zsh}}autoload -U +X bashcompinit && bashcompinit
{{end}}_totem() {
  local path='' word skip='' next=''
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in =|:) skip=1; continue ;; esac
    if [ -n "$skip" ]; then skip=''; continue; fi
    case $word in
      {{range $f, $_ := .Valued}}{{$f}}|{{end}}'') skip=1; continue ;;
    esac
    case "${path:+$path }$word" in
      {{range $p, $_ := .Paths}}'{{$p}}'|{{end}}'') path="${path:+$path }$word" ;;
    esac
  done
  case $path in
{{range $p, $next := .Paths}}    '{{$p}}') next='{{range $next}}{{.}} {{end}}' ;;
{{end}}  esac
  [ -n "$skip" ] && next=''
  COMPREPLY=($(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _totem totem
`))
	fish = template.Must(template.New("fish").Parse(`function __totem_path
  set -l path ''
  set -l skip 0
  for word in (commandline -opc)[2..]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case {{range $f, $_ := .Valued}}{{$f}} {{end}}
        set skip 1
      case '*'
        set -l longer (string trim -- "$path $word")
        contains -- $longer {{range $p, $_ := .Paths}}{{if $p}}'{{$p}}' {{end}}{{end}}; and set path $longer
    end
  end
  test $skip = 0; and echo $path; or echo value
end
{{range $p, $next := .Paths}}complete -c totem -f -n "test (__totem_path) = '{{$p}}'" -a '{{range $next}}{{.}} {{end}}'
{{end}}`))
)

// valued returns the flags that are followed by a value.
func valued(n *kong.Node, into map[string]bool) map[string]bool {
	for _, f := range n.Flags {
		if !f.IsBool() && !f.IsCounter() {
			into["--"+f.Name] = true
		}
	}
	for _, child := range n.Children {
		valued(child, into)
	}
	return into
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

type manualCmd struct{}

// Run prints the manual page, made from the same description as the help.
func (manualCmd) Run(app *kong.Kong, out *printer) error {
	fmt.Fprintf(out, ".TH TOTEM 1\n.SH NAME\ntotem \\- access and occupancy of the buildings\n"+
		".SH SYNOPSIS\n.B totem\n.I command\n[flags]\n.SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(app.Model.Help))
	for _, leaf := range app.Model.Leaves(true) {
		fmt.Fprintf(out, ".SS totem %s\n%s\n", roff(leaf.Path()), roff(leaf.Help))
		for _, p := range leaf.Positional {
			fmt.Fprintf(out, ".TP\n.I %s\n%s\n", roff(p.Summary()), roff(p.Help))
		}
		for _, f := range leaf.Flags {
			if f.Hidden {
				continue
			}
			fmt.Fprintf(out, ".TP\n.B %s\n%s", roff(f.String()), roff(f.Help))
			if len(f.Envs) > 0 {
				fmt.Fprintf(out, " ($%s)", strings.Join(f.Envs, ", $"))
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprint(
		out,
		".SH EXIT STATUS\n.TP\n.B 0\nIt is done.\n.TP\n.B 1\nIt failed; the last line of the errors says why.\n"+
			".TP\n.B 2\nIt was called wrongly.\n.SH SEE ALSO\nthe folder docs of the source\n",
	)
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
