package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/signin"
	"github.com/lorntech/totem/internal/tenancy"
)

// TokenRequest describes a token to create.
type TokenRequest struct {
	ID, Tenant string
	Role       ledger.Role
	Sites      []catalogue.SiteID
	Life       time.Duration // 0: without end
	Replace    bool          // replace the token that has this id, if there is one
}

// CreateToken creates a token in a data folder, whose service may be running,
// and returns it. The token itself is stored nowhere.
func CreateToken(ctx context.Context, cfg settings.Config, r TokenRequest) (token string, err error) {
	if err := cfg.Check(); err != nil {
		return "", err
	}
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h, err := catalogues.HistoryOf(ctx, cfg, l)
	if err != nil {
		return "", err
	}
	if err := r.check(*h.Last()); err != nil {
		return "", err
	}
	token = keys.NewSecret()
	now := time.Now().UTC()
	t := ledger.Token{
		ID:     r.ID,
		Role:   r.Role,
		Sites:  r.Sites,
		Tenant: tenancy.TenantID(r.Tenant),
		Hash:   keys.HashSecret(token),
	}
	if r.Life > 0 {
		end := now.Add(r.Life)
		t.ExpiresAt = &end
	}
	if _, err := l.Token(ctx, r.ID); err == nil && !r.Replace {
		return "", errThere(r.ID)
	}
	keep, err := keepAdmin(cfg, t, token)
	if err != nil {
		return "", err
	}
	return token, keep(l.Write(ctx, func(tx *ledger.Tx) error {
		if r.Tenant != "" {
			switch there, err := tx.HasRecord("tenant", r.Tenant); {
			case err != nil:
				return err
			case !there:
				return fmt.Errorf("--tenant: there is no tenant %q", r.Tenant)
			}
		}
		switch there, err := tx.HasToken(r.ID); {
		case err != nil:
			return err
		case there && !r.Replace:
			return errThere(r.ID)
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		if t.ID == ledger.AdminToken { // a start must not take it for a new one, once it is withdrawn
			if err := tx.PutSnapshot(ledger.AdminTaken, ledger.Snapshot{Body: t.Hash}); err != nil {
				return err
			}
		}
		return tx.AddAct(&ingest.Act{At: now, Actor: Actor, Action: "put", Target: "token/" + r.ID, Body: t.Terms()})
	}))
}

func errThere(id string) error {
	return fmt.Errorf("there is a token %q already: --replace ends it and makes another one", id)
}

// keepAdmin writes a new admin token into the data folder's file, from which the commands
// of this machine and the next start read it, where the one that it replaces is in that file.
// It does so before the token is committed; keep takes the commit's error, and after one
// writes the former token again.
func keepAdmin(cfg settings.Config, t ledger.Token, token string) (keep func(error) error, err error) {
	file := cfg.AdminTokenFile()
	former, err := os.ReadFile(file)
	if t.ID != ledger.AdminToken || errors.Is(err, fs.ErrNotExist) {
		return func(err error) error { return err }, nil
	}
	if err == nil {
		err = keys.WriteSecret(file, []byte(token+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("keep the admin token in its file: %w", err)
	}
	return func(err error) error {
		if err != nil {
			err = errors.Join(err, keys.WriteSecret(file, former))
		}
		return err
	}, nil
}

func (r TokenRequest) check(n *catalogue.Network) error {
	if !catalogue.ValidID(r.ID) {
		return fmt.Errorf("id: %q is not an id: lower-case letters, digits and hyphens, at most 64", r.ID)
	}
	if strings.HasPrefix(r.ID, signin.TokenPrefix) {
		return fmt.Errorf("id: begins with %s, as those of accounts do", signin.TokenPrefix)
	}
	if r.ID == ledger.AdminToken && (r.Role != ledger.Admin || r.Life != 0) {
		return errors.New("id: admin is that of the admin's token, which has the role admin and no end")
	}
	if r.Life < 0 {
		return errors.New("--expires: must lie in the future")
	}
	for _, s := range r.Sites {
		if n.Site(s) == nil {
			return fmt.Errorf("--sites: the catalogue has no site %q", s)
		}
	}
	if r.Role == ledger.Manager && len(r.Sites) == 0 {
		return errors.New("--sites: a manager's token needs at least one site")
	}
	if r.Role == ledger.Tenant && r.Tenant == "" {
		return errors.New("--tenant: a tenant's token needs its tenant")
	}
	return nil
}
