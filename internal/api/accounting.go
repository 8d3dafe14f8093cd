package api

import (
	"bytes"
	"context"
	"slices"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tariff"
)

type accountingIn struct {
	Month string `query:"month" pattern:"^[0-9]{4}-[0-9]{2}$" doc:"Statements of this month; default: all."`
	From  string `query:"from" format:"date" doc:"Issued on this local day or later."`
	To    string `query:"to" format:"date" doc:"Issued on this local day or before."`
}

type accountingOut struct {
	ContentType string `header:"Content-Type"`
	Name        string `header:"Content-Disposition"`
	Body        []byte
}

func (s *server) accounting(ctx context.Context, in *accountingIn) (*accountingOut, error) {
	zone := s.cfg.Network.Zone
	from, to := catalogue.Day(0), zone.At(s.cfg.Now()).Day
	end := to // the file's name
	for _, d := range []struct {
		name, value string
		day         *catalogue.Day
	}{{"from", in.From, &from}, {"to", in.To, &to}} {
		if d.value == "" {
			continue
		}
		var err error
		if *d.day, err = catalogue.ParseDay(d.value); err != nil {
			return nil, invalid("query", d.name, err.Error())
		}
	}
	if in.To != "" {
		end = to
	}
	if in.Month != "" {
		m, err := tariff.ParseMonth(in.Month)
		if err != nil {
			return nil, invalid("query", "month", err.Error())
		}
		if in.To == "" {
			_, end = m.Days()
		}
	}
	if to < from {
		return nil, invalid("query", "to", "is before from")
	}
	list, err := s.cfg.Bills.Journal(ctx, from, to)
	if err != nil {
		return nil, s.fail(err)
	}
	c, book := callerOf(ctx), s.cfg.Rights.InForce().Book
	list = slices.DeleteFunc(list, func(x billing.Statement) bool {
		return in.Month != "" && x.Month != in.Month || !c.ofTenant(book, x.Tenant)
	})
	for i := range list { // the days of the file include them
		end = max(end, zone.At(*list[i].IssuedAt).Day)
	}
	var text bytes.Buffer
	settings := &s.cfg.Bills.Settings
	if err := settings.FEC(&text, list, zone.Location()); err != nil {
		return nil, s.fail(err)
	}
	return &accountingOut{
		"text/plain; charset=iso-8859-15",
		`attachment; filename="` + settings.FECName(zone.Start(end).In(zone.Location())) + `"`,
		text.Bytes(),
	}, nil
}
