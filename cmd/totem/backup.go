package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/lorntech/totem/internal/backup"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/settings"
)

type backupCmd struct {
	Create backupCreateCmd `cmd:"" default:"withargs" help:"Write ledger, keys, catalogue and settings into one sealed file; the service may be running."`
	Key    backupKeyCmd    `cmd:"" help:"Make a key pair for backups: the private key in a new file, the recipient on the screen."`
}

type backupCreateCmd struct {
	settings.Config
	File           string   `arg:"" help:"A new file."`
	Recipient      []string `help:"Who can unseal the file: a recipient of age, as totem backup key prints it; may be repeated." env:"TOTEM_BACKUP_RECIPIENT" placeholder:"RECIPIENT"`
	PassphraseFile string   `help:"Seal with the passphrase in this file instead." placeholder:"FILE"`
}

func (c *backupCreateCmd) Run(ctx context.Context, out *printer) error {
	to, err := c.recipients()
	if err != nil {
		return err
	}
	began := time.Now()
	m, err := backup.Create(ctx, c.Config, c.File, to, os.Stderr)
	if err != nil {
		return err
	}
	f, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: the ledger up to entry %d of its audit chain (%s), %s sealed, in %s.\n",
		c.File, m.Head, megabytes(m.Size), megabytes(f.Size()), time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (c *backupCreateCmd) recipients() (list []age.Recipient, err error) {
	if (len(c.Recipient) == 0) == (c.PassphraseFile == "") {
		return nil, cli.Wrong("--recipient (TOTEM_BACKUP_RECIPIENT) or --passphrase-file: give one of them; " +
			"totem backup key FILE makes a key pair")
	}
	if c.PassphraseFile != "" {
		phrase, err := passphrase(c.PassphraseFile)
		if err != nil {
			return nil, err
		}
		r, err := age.NewScryptRecipient(phrase)
		return []age.Recipient{r}, err
	}
	for _, text := range c.Recipient {
		r, err := age.ParseX25519Recipient(strings.TrimSpace(text))
		if err != nil {
			return nil, cli.Wrong("--recipient: %q is not a recipient like age1…", text)
		}
		list = append(list, r)
	}
	return list, nil
}

func passphrase(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--passphrase-file: %w", err)
	}
	phrase := strings.TrimRight(string(text), "\r\n")
	if len(phrase) < 12 {
		return "", cli.Wrong("--passphrase-file: the passphrase has fewer than 12 characters")
	}
	return phrase, nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

type backupKeyCmd struct {
	File string `arg:"" help:"A new file for the private key. Keep it away from the machine that makes the backups."`
}

func (c *backupKeyCmd) Run(out *printer) error {
	if _, err := os.Stat(c.File); err == nil {
		return fmt.Errorf("%s exists already", c.File)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := keys.WriteSecret(
		c.File,
		[]byte("# public key: "+id.Recipient().String()+"\n"+id.String()+"\n"),
	); err != nil {
		return err
	}
	fmt.Fprintln(out, id.Recipient())
	return nil
}

type restoreCmd struct {
	File           string `arg:"" help:"A backup."`
	Data           string `help:"Folder to restore to: it must not hold a ledger." env:"TOTEM_DATA" default:"./totem-data" placeholder:"DIR"`
	Identity       string `help:"File with the private key, as totem backup key makes it." placeholder:"FILE"`
	PassphraseFile string `help:"File with the passphrase, for a backup that was sealed with one." placeholder:"FILE"`
	Erasures       string `help:"A copy of erasures.jsonl that is newer than the backup: whom it names is erased again; default: that of the folder." placeholder:"FILE"`
}

func (c *restoreCmd) Run(ctx context.Context, out *printer) error {
	from, err := c.identities()
	if err != nil {
		return err
	}
	found, err := backup.Restore(ctx, c.File, from, backup.Target{Data: c.Data, Erasures: c.Erasures}, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Restored to %s, as of %s:\n", c.Data, found.At.Local().Format("2006-01-02 15:04:05 MST"))
	fmt.Fprintf(out, "  audit chain  %d entries, all verified; %s\n", found.Entries, megabytes(found.Size))
	fmt.Fprintf(out, "  catalogue    %d spaces\n", found.Spaces)
	fmt.Fprintf(out, "  people       %d members, %d badges, %d leases\n", found.Members, found.Badges, found.Leases)
	if found.Statements > 0 {
		fmt.Fprintf(out,
			"  statements   up to s-%06d: later ones are not in the backup, and their numbers would be issued again\n",
			found.Statements,
		)
	}
	if found.Erased > 0 {
		fmt.Fprintf(out, "  erased again %d people, who were erased after the backup\n", found.Erased)
	}
	fmt.Fprintln(out, "  passes       made and deleted after the backup still open readers that are cut off:\n"+
		"               totem keys rotate SITE ends that, once every reader has confirmed the key")
	start := []string{"totem serve --data", c.Data}
	for _, flag := range []string{"catalogue", "billing"} {
		if slices.Contains(found.Files, flag+".yaml") {
			start = append(start, "--"+flag, filepath.Join(c.Data, flag+".yaml"))
		}
	}
	fmt.Fprintf(out,
		"  settings     in %s\nStart it with: %s\n",
		filepath.Join(c.Data, "settings.env"),
		strings.Join(start, " "),
	)
	return nil
}

func (c *restoreCmd) identities() ([]age.Identity, error) {
	switch {
	case (c.Identity == "") == (c.PassphraseFile == ""):
		return nil, cli.Wrong("--identity or --passphrase-file: give one of them")
	case c.PassphraseFile != "":
		phrase, err := passphrase(c.PassphraseFile)
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(phrase)
		return []age.Identity{id}, err
	}
	f, err := os.Open(c.Identity)
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	defer f.Close()
	list, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	return list, nil
}
