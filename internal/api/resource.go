package api

import (
	"context"
	"iter"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// resource describes one kind of record and the rules of its five endpoints.
type resource[T any] struct {
	path, noun  string
	kind        rights.Kind
	read, write []Role
	id          func(*T) *string
	all         func(*tenancy.Book) iter.Seq[T]
	find        func(*tenancy.Book, string) (T, bool)
	// may reports whether the caller's sites or tenant include the record.
	may func(*caller, *tenancy.Book, T) bool
	// owns reports whether the caller may write the record, where fewer callers may write it than may see it; nil:
	// whoever may see it may write it.
	owns func(*caller, T) bool
	// change returns the act that is recorded and what is answered.
	change func(*caller, *tenancy.Book, T) (change rights.Change, answer T, err error)
	// would returns what a change would do, given the book as it would be; nil:
	// there is no dry run.
	would func(ctx context.Context, before, after *tenancy.Book) (*would, error)
	// answer completes the answer to a PUT, from the record as it is found
	// afterwards and what change returned; nil: the record is the answer.
	answer func(found, changed T, before, after *tenancy.Book) T
}

type putIn[T any] struct {
	MatchPath
	Body T
}

const tagRights = "Tenants and rights"

// register registers the endpoints that list, show, put and delete the records
// of a resource.
func register[T any](s *server, r resource[T]) {
	path := r.path + "/{id}"
	huma.Register(s.api, operation("GET", r.path, tagRights, "List "+r.noun+"s by id.", r.read...),
		func(ctx context.Context, in *Paging) (*pageOut[T], error) {
			book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
			return pageByID(
				*in,
				only(r.all(book), func(v T) bool { return r.may(c, book, v) }),
				func(v T) string { return *r.id(&v) },
			)
		},
	)
	huma.Register(s.api, operation("GET", path, tagRights, "Show a "+r.noun+".", r.read...),
		func(ctx context.Context, in *IDPath) (*tagged[T], error) {
			book := s.cfg.Rights.InForce().Book
			v, ok := r.find(book, in.ID)
			if !ok || !r.may(callerOf(ctx), book, v) {
				return nil, notFound(r.noun + " " + in.ID)
			}
			return &tagged[T]{etag(v), v}, nil
		},
	)
	put := with(
		operation("PUT", path, tagRights, "Make or change a "+r.noun+".", r.write...),
		http.StatusConflict,
		http.StatusPreconditionFailed,
	)
	if r.would != nil {
		huma.Register(s.api, put, func(ctx context.Context, in *putDryIn[T]) (*tagged[T], error) {
			return putResource(ctx, s, r, &putIn[T]{in.MatchPath, in.Body}, in.DryRun)
		})
	} else {
		huma.Register(s.api, put, func(ctx context.Context, in *putIn[T]) (*tagged[T], error) {
			return putResource(ctx, s, r, in, false)
		})
	}
	huma.Register(s.api,
		with(
			operation("DELETE", path, tagRights, "Delete a "+r.noun+" that nothing refers to.", r.write...),
			http.StatusConflict,
			http.StatusPreconditionFailed,
		),
		func(ctx context.Context, in *MatchPath) (*empty, error) {
			book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
			v, ok := r.find(book, in.ID)
			if !ok || !r.may(c, book, v) {
				return nil, notFound(r.noun + " " + in.ID)
			}
			if r.owns != nil && !r.owns(c, v) {
				return nil, forbidden(r.noun + " " + in.ID)
			}
			return nil, s.fail(
				s.cfg.Rights.Apply(ctx, c.id, rights.Change{Delete: &rights.Key{Kind: r.kind, ID: in.ID}, Expect: r.expect(in)}),
			)
		},
	)
}

// putDryIn is the input of a PUT of what has versions.
type putDryIn[T any] struct {
	MatchPath
	Body   T
	DryRun bool `query:"dry_run" doc:"Answer what the change would do (under would), and do nothing."`
}

func putResource[T any](ctx context.Context, s *server, r resource[T], in *putIn[T], dry bool) (*tagged[T], error) {
	id := r.id(&in.Body)
	if *id != "" && *id != in.ID {
		return nil, invalid("body", "id", "differs from the id in the path")
	}
	*id = in.ID
	book, c := s.cfg.Rights.InForce().Book, callerOf(ctx)
	old, there := r.find(book, in.ID)
	if there && !r.may(c, book, old) {
		return nil, notFound(r.noun + " " + in.ID)
	}
	if there && r.owns != nil && !r.owns(c, old) {
		return nil, forbidden(r.noun + " " + in.ID)
	}
	change, answer, err := r.change(c, book, in.Body)
	if err != nil {
		return nil, s.fail(err)
	}
	// The book's own faults are reported first: only a valid record can belong
	// to somebody else.
	if err := s.cfg.Rights.Check(change); err != nil {
		return nil, s.fail(err)
	}
	if !r.may(c, book, in.Body) || r.owns != nil && !r.owns(c, in.Body) {
		return nil, forbidden("this " + r.noun)
	}
	change.Expect = r.expect(&in.MatchPath)
	if dry {
		return dryRun(ctx, s, r, in.ID, change)
	}
	if err := s.cfg.Rights.Apply(ctx, c.id, change); err != nil {
		return nil, s.fail(err)
	}
	current, after := answer, s.cfg.Rights.InForce().Book
	if v, ok := r.find(after, in.ID); ok { // the record with its defaults
		current = v
		if r.answer != nil {
			v = r.answer(v, answer, book, after)
		}
		answer = v
	}
	return &tagged[T]{etag(current), answer}, nil
}

// dryRun answers what a change would do.
func dryRun[T any](ctx context.Context, s *server, r resource[T], id string, change rights.Change) (*tagged[T], error) {
	before, draft := s.cfg.Rights.InForce().Book, s.cfg.Rights.Draft()
	if change.Expect != nil {
		if err := change.Expect(before); err != nil {
			return nil, s.fail(err)
		}
	}
	if err := draft.Change(change); err != nil {
		return nil, s.fail(err)
	}
	v, _ := r.find(draft.Book(), id)
	would, err := r.would(ctx, before, draft.Book())
	if err != nil {
		return nil, s.fail(err)
	}
	v = r.answer(v, v, before, draft.Book())
	if d, ok := any(&v).(dry); ok {
		d.set(would)
	}
	return &tagged[T]{etag(v), v}, nil
}

// expect returns a check that is made within the change: the record must be as the caller has read it. So of two
// callers who have read the same state, and both change it, one gets 412.
func (r resource[T]) expect(in *MatchPath) func(*tenancy.Book) error {
	if in.IfMatch == "" {
		return nil
	}
	return func(b *tenancy.Book) error {
		v, ok := r.find(b, in.ID)
		if !ok {
			return problem(http.StatusPreconditionFailed, "it is not there")
		}
		return ifMatch(in.IfMatch, v)
	}
}

// unchanged makes the change that stores a record exactly as the client sent it.
func unchanged[T any](_ *caller, _ *tenancy.Book, v T) (rights.Change, T, error) {
	return rights.Change{Put: v}, v, nil
}

// ownsTerms reports whether a caller may write something of a site, or of the
// network: prices and hours of all sites are for admins alone.
func ownsTerms(c *caller, site *catalogue.SiteID) bool {
	return c.role == Admin || site != nil && c.reaches(*site)
}

// resources registers the endpoints of everything that package tenancy holds.
func (s *server) resources() {
	s.tenants()
	s.members()
	s.credentials()
	s.schedules()
	s.plans()
	s.leases()
	s.passes()
	s.events()
}

func convert[A, B any](all iter.Seq[A], f func(A) B) iter.Seq[B] {
	return func(yield func(B) bool) {
		for v := range all {
			if !yield(f(v)) {
				return
			}
		}
	}
}

func (s *server) maySpaces(c *caller, spaces []catalogue.SpaceID) bool {
	for _, id := range spaces {
		if sp := s.cfg.Network.Space(id); sp != nil && !c.reaches(sp.Site) {
			return false
		}
	}
	return true
}
