package ledger

import "context"

// serving is the name of the snapshot that holds where the machine that serves answers
// HTTP.
const serving = "serving"

// NoteServing stores the base URL at which the machine that serves answers HTTP.
func (l *Ledger) NoteServing(ctx context.Context, url string) error {
	return l.Write(ctx, func(tx *Tx) error { return tx.PutSnapshot(serving, Snapshot{Body: []byte(url)}) })
}

// Serving returns the base URL of the machine that serves, or served last; "": none
// ever did.
func (l *Ledger) Serving(ctx context.Context) (url string, err error) {
	s, err := l.Snapshot(ctx, serving)
	return string(s.Body), err
}
