package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// Dated holds the fields of a plan or lease that only a PUT and its answer have; the answer to a GET has none of them.
type Dated struct {
	EffectiveFrom *string   `json:"effective_from,omitempty" pattern:"^(beginning|[0-9]{4}-[0-9]{2}-[0-9]{2})$" doc:"The local day from which this holds: past, today (the default), future, or beginning. Only written; a lease's dates hold for all time."`
	Carried       []carried `json:"carried_into,omitempty" readOnly:"true" doc:"The later versions into which the change was carried, in the fields that still had the replaced value."`
	Made          *made     `json:"made,omitempty" readOnly:"true" doc:"Where the change begins on a future day: the version that it created. The other fields are as they are today."`
	Would         *would    `json:"would,omitempty" readOnly:"true" doc:"The answer to dry_run: what the change would do."`
}

// made is a version that has not begun.
type made struct {
	N             int    `json:"n"`
	EffectiveFrom string `json:"effective_from"`
}

// madeBy returns the version that the newest change created, where it has not
// begun.
func madeBy[T any](before, after tenancy.Terms[T], today catalogue.Day) *made {
	changes := after.Changes()
	if len(changes) == len(before.Changes()) {
		return nil
	}
	if last := changes[len(changes)-1]; last.From > today {
		return &made{last.N, tenancy.WriteDay(last.From)}
	}
	return nil
}

// carried is a later version that a change altered too.
type carried struct {
	N             int      `json:"n"`
	EffectiveFrom string   `json:"effective_from"`
	Fields        []string `json:"fields" nullable:"false"`
}

// version is what a plan or a lease is from one day until the next version's.
type version[T any] struct {
	N             int               `json:"n"`
	EffectiveFrom string            `json:"effective_from" doc:"A local day, or beginning."`
	Until         *catalogue.Day    `json:"until" format:"date" doc:"The first day on which the next version holds; null: there is none."`
	RecordedAt    catalogue.Instant `json:"recorded_at" doc:"1970 where it was recorded before that was noted."`
	By            string            `json:"by" doc:"The id of the token; empty where it was recorded before that was noted."`
	Begun         bool              `json:"begun" doc:"A version that has not begun can be taken back."`
	Value         *T                `json:"value" doc:"What it is from then on; null: it is deleted."`
}

// order returns a key that sorts versions by the day from which they hold; the first version sorts before every day.
func (v version[T]) order() string {
	if v.EffectiveFrom == tenancy.Beginning {
		return "0"
	}
	return v.EffectiveFrom
}

type versionPath struct {
	MatchPath
	N int `path:"n" minimum:"1"`
}

// dry is something that can tell what a change would do.
type dry interface{ set(*would) }

func (d *Dated) set(w *would) { d.Would = w }

// effective returns the day from which a PUT holds; nil: today.
func (d *Dated) effective() (*catalogue.Day, error) {
	d.Carried, d.Made, d.Would = nil, nil, nil
	if d.EffectiveFrom == nil {
		return nil, nil
	}
	day := catalogue.Day(dated.Beginning)
	if *d.EffectiveFrom != tenancy.Beginning {
		var err error
		if day, err = catalogue.ParseDay(*d.EffectiveFrom); err != nil {
			return nil, invalid("body", "effective_from", "is neither a day, such as 2026-11-26, nor the word \"beginning\"")
		}
		if day < catalogue.Date(1990, 1, 1) || day > catalogue.Date(2100, 12, 31) {
			return nil, invalid("body", "effective_from", "lies before 1990 or after 2100")
		}
	}
	d.EffectiveFrom = nil
	return &day, nil
}

// carriedBy returns the later versions that the newest change altered.
func carriedBy[T any](before, after tenancy.Terms[T]) (list []carried) {
	was := map[int]int{}
	for _, v := range before.Versions() {
		was[v.N] = len(v.Carried)
	}
	for _, v := range after.Versions() {
		if n := was[v.N]; len(v.Carried) > n && v.N < len(after.Changes()) {
			list = append(list, carried{v.N, tenancy.WriteDay(v.From), jsonNames[T](v.Carried[n:])})
		}
	}
	return list
}

// jsonNames returns the names of fields in JSON.
func jsonNames[T any](fields []string) []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		if x, ok := reflect.TypeFor[T]().FieldByName(f); ok {
			name, _, _ := strings.Cut(x.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// versions registers the endpoints that list and take back versions of a kind.
func versions[T, V any](
	s *server,
	r resource[T],
	terms func(*tenancy.Book, string) tenancy.Terms[V],
	list func(tenancy.Terms[V]) []tenancy.Version[V],
	show func(V) T,
) {
	path := r.path + "/{id}/versions"
	op := operation(
		"GET",
		path,
		tagRights,
		"What a "+r.noun+" was, is and is to be, by local day, with who recorded it when.",
		r.read...)
	huma.Register(s.api, op, func(ctx context.Context, in *struct {
		IDPath
		Paging
	}) (*pageOut[version[T]], error) {
		book := s.cfg.Rights.InForce().Book
		if v, ok := r.find(book, in.ID); !ok || !r.may(callerOf(ctx), book, v) {
			return nil, notFound(r.noun + " " + in.ID)
		}
		h := terms(book, in.ID)
		return pageByID(in.Paging, func(yield func(version[T]) bool) {
			for _, v := range shownVersions(s, h, list(h), show) {
				if !yield(v) {
					return
				}
			}
		}, version[T].order)
	})
	op = with(
		operation("DELETE", path+"/{n}", tagRights, "Take back a version of a "+r.noun+" that has not begun.", r.write...),
		http.StatusConflict,
		http.StatusPreconditionFailed,
	)
	huma.Register(s.api, op, func(ctx context.Context, in *versionPath) (*empty, error) {
		book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
		v, ok := r.find(book, in.ID)
		if !ok || !r.may(c, book, v) {
			return nil, notFound(r.noun + " " + in.ID)
		}
		if r.owns != nil && !r.owns(c, v) {
			return nil, forbidden(r.noun + " " + in.ID)
		}
		back := rights.Version{Key: rights.Key{Kind: r.kind, ID: in.ID}, N: in.N}
		return nil, s.fail(s.cfg.Rights.Apply(ctx, c.id, rights.Change{TakeBack: &back, Expect: r.expect(&in.MatchPath)}))
	})
}

func shownVersions[T, V any](s *server, h tenancy.Terms[V], list []tenancy.Version[V], show func(V) T) []version[T] {
	today := s.cfg.Network.Zone.At(s.cfg.Now()).Day
	by := map[int]string{}
	for _, c := range h.Changes() {
		by[c.N] = c.By
	}
	out := make([]version[T], len(list))
	for i, v := range list {
		out[i] = version[T]{
			N:             v.N,
			EffectiveFrom: tenancy.WriteDay(v.From),
			RecordedAt:    instant(v.At),
			By:            by[v.N],
			Begun:         v.From <= today,
		}
		if until, ok := h.Until(i); ok {
			out[i].Until = &until
		}
		if v.Value != nil {
			shown := show(*v.Value)
			out[i].Value = &shown
		}
	}
	return out
}
