package signin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/yamldoc"
)

// Rule gives a role to the accounts in which a claim has a value, or a list that holds it.
type Rule struct {
	Claim  string // with dots for claims within claims: realm_access.roles
	Value  string
	Role   ledger.Role
	Sites  []catalogue.SiteID
	Tenant tenancy.TenantID
}

// changeable are claims that people can change themselves, or that another person may
// get later. They do not prove who somebody is, so no rule may use them.
var changeable = []string{
	"email",
	"email_verified",
	"preferred_username",
	"name",
	"given_name",
	"family_name",
	"nickname",
	"phone_number",
	"upn",
	"unique_name",
}

func (s *Settings) readRules(n *catalogue.Network, root *yamldoc.Object) {
	if !root.Require("rules") {
		return
	}
	list := root.List("rules")
	if len(list) == 0 {
		root.Fail("rules", "is empty: nobody could sign in")
	}
	for i, node := range list {
		o := root.Doc.Object(
			node,
			fmt.Sprintf("rules[%d]", i),
			"a rule",
			[]string{"claim", "value", "role", "sites", "tenant"},
		)
		if o == nil {
			continue
		}
		r := Rule{
			Claim: o.Text("claim"), Value: o.Text("value"), Role: ledger.Role(o.Text("role")),
			Tenant: tenancy.TenantID(o.Optional("tenant")),
		}
		last := strings.ToLower(r.Claim[strings.LastIndex(r.Claim, ".")+1:])
		if slices.Contains(changeable, last) {
			o.Fail("claim", "%s proves nothing: a person can change it, or another one can get it; use a group, or sub", r.Claim)
		}
		for _, id := range o.TextList("sites") {
			if n.Site(catalogue.SiteID(id)) == nil {
				o.Fail("sites", "the catalogue has no site %s", id)
			}
			r.Sites = append(r.Sites, catalogue.SiteID(id))
		}
		r.check(o)
		s.Rules = append(s.Rules, r)
	}
}

func (r *Rule) check(o *yamldoc.Object) {
	switch r.Role {
	case ledger.Admin:
		if len(r.Sites) > 0 {
			o.Fail("sites", "leave sites out: an admin has all sites")
		}
	case ledger.Manager:
		if len(r.Sites) == 0 {
			o.Fail("sites", "is missing: a manager manages the sites that are named")
		}
	case ledger.Billing, ledger.Display:
	case ledger.Tenant:
		if r.Tenant == "" {
			o.Fail("tenant", "is missing")
		}
		if len(r.Sites) > 0 {
			o.Fail("sites", "are not for the role tenant, which sees its own")
		}
	case "":
	default:
		o.Fail("role", "must be admin, manager, billing, tenant or display")
	}
	if r.Tenant != "" && r.Role != ledger.Tenant {
		o.Fail("tenant", "is for the role tenant")
	}
}

// grant returns what the rules give an account: the role of the first rule that
// names it, and the sites of all those with that role and tenant. One of them
// without sites means all sites.
func (s *Settings) grant(claims map[string]any) (p Person, ok bool) {
	everywhere := false
	for _, r := range s.Rules {
		if v, there := lookUp(claims, r.Claim); !there || !holds(v, r.Value) {
			continue
		}
		if !ok {
			p.Role, p.Tenant, ok = r.Role, r.Tenant, true
		}
		if r.Role != p.Role || r.Tenant != p.Tenant {
			continue
		}
		everywhere = everywhere || len(r.Sites) == 0
		for _, site := range r.Sites {
			if !slices.Contains(p.Sites, site) {
				p.Sites = append(p.Sites, site)
			}
		}
	}
	if everywhere {
		p.Sites = nil
	}
	slices.Sort(p.Sites)
	return p, ok
}

// lookUp finds a claim by its name or, with dots, a claim within claims.
func lookUp(claims map[string]any, name string) (v any, there bool) {
	if v, there = claims[name]; there {
		return v, true
	}
	outer, rest, inner := strings.Cut(name, ".")
	if !inner {
		return nil, false
	}
	within, ok := claims[outer].(map[string]any)
	if !ok {
		return nil, false
	}
	return lookUp(within, rest)
}

// holds reports whether a claim is a value, or a list that holds it.
func holds(claim any, value string) bool {
	switch v := claim.(type) {
	case string:
		return v == value
	case []any:
		return slices.Contains(v, any(value))
	}
	return false
}

// told returns, for the log, why no rule names an account: for each claim that rules ask for,
// whether the account lacks it or has other values. It shows no value.
func (s *Settings) told(claims map[string]any) string {
	var list []string
	for _, r := range s.Rules {
		says := "its claim " + r.Claim + " is missing"
		if v, there := lookUp(claims, r.Claim); there {
			says = "no rule names a value of its claim " + r.Claim
			if many, ok := v.([]any); ok {
				says = fmt.Sprintf("no rule names one of the %d values of its claim %s", len(many), r.Claim)
			}
		}
		if !slices.Contains(list, says) {
			list = append(list, says)
		}
	}
	return strings.Join(list, ", ")
}
