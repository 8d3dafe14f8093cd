package bench

import "context"

func decide(context.Context, *env) ([]Row, error) { return nil, nil }
