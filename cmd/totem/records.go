package main

import (
	"context"
	"io"
	"os"

	"github.com/lorntech/totem/internal/cli"
)

// resourceCmd lists, shows, puts and deletes records of one kind.
type resourceCmd struct {
	List   resourceListCmd   `cmd:"" default:"withargs" help:"All of them."`
	Show   resourceShowCmd   `cmd:"" help:"One of them, as JSON."`
	Put    resourcePutCmd    `cmd:"" help:"Make or change one: from a JSON file, or field by field."`
	Delete resourceDeleteCmd `cmd:"" help:"Delete one."`
}

// newResource returns the commands of a kind of cli.Resources.
func newResource(kind string) resourceCmd {
	r := cli.Resources[kind]
	return resourceCmd{resourceListCmd{of: r}, resourceShowCmd{of: r}, resourcePutCmd{of: r}, resourceDeleteCmd{of: r}}
}

type resourceListCmd struct {
	of cli.Resource
	service
	form
}

func (c *resourceListCmd) Run(ctx context.Context, out *printer) error {
	return c.list(ctx, out, c.form, c.of.Listing, nil)
}

type resourceShowCmd struct {
	of cli.Resource
	address
	ID string `arg:"" help:"Its id."`
}

func (c *resourceShowCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Show(ctx, out, c.of, c.ID)
}

type resourcePutCmd struct {
	of cli.Resource
	address
	ID   string   `arg:"" help:"Its id."`
	File string   `help:"Its JSON; -: the input." placeholder:"FILE"`
	Set  []string `help:"A field and its value, as name=Forge; may be repeated. Fields that are not named stay as they are." placeholder:"FIELD=VALUE" sep:"none"`
}

// Help lists the fields.
func (c *resourcePutCmd) Help() string { return c.of.Help() }

func (c *resourcePutCmd) Run(ctx context.Context, out *printer) error {
	var body []byte
	var err error
	switch c.File {
	case "":
	case "-":
		body, err = typed(ctx, func() ([]byte, error) { return io.ReadAll(os.Stdin) })
	default:
		body, err = os.ReadFile(c.File)
	}
	if err == nil && c.File != "" && len(body) == 0 {
		err = cli.Wrong("--file: %s is empty", c.File)
	}
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Put(ctx, out, c.of, c.ID, body, c.Set)
}

// typed returns what read reads from the standard input. It also returns when ctx ends, as with Ctrl-C, which read does
// not notice.
func typed[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() { // it stays behind where nobody types any more: the process ends
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

type resourceDeleteCmd struct {
	of cli.Resource
	address
	ID string `arg:"" help:"Its id."`
}

func (c *resourceDeleteCmd) Run(ctx context.Context, out *printer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Remove(ctx, out, c.of, c.ID)
}
