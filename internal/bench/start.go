package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
)

// coldStart times `totem serve` from exec to ready, with an empty ledger as
// the floor and with one that holds Reads reads.
func coldStart(ctx context.Context, e *env) ([]Row, error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	empty, err := e.dir("start-empty")
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, empty, n, 0, year); err != nil {
		return nil, err
	}
	full, err := e.dir("start-full")
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := fill(ctx, full, n, e.Reads, year); err != nil {
		return nil, err
	}
	fmt.Fprintf(e.out, "  made a ledger of %d reads in %s\n", e.Reads, time.Since(began).Round(time.Second))
	floor, _, err := ready(ctx, empty)
	if err != nil {
		return nil, err
	}
	got, rss, err := ready(ctx, full)
	if err != nil {
		return nil, err
	}
	return []Row{
		{
			fmt.Sprintf("ready from cold, %d reads in the ledger (%d MB resident)", e.Reads, rss>>20),
			micro(got),
			"empty ledger " + micro(floor),
			float64(got) / float64(floor),
			"≤ 500 ms",
		},
	}, nil
}

const year = 365 * 24 * time.Hour

// fill makes a ledger with reads spread over a period until now, processed up
// to its end, as a running service would have left it.
func fill(ctx context.Context, dir string, n *catalogue.Network, reads int, span time.Duration) (err error) {
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var readers []catalogue.Device
	for _, d := range n.Devices {
		if d.Kind == catalogue.Reader {
			readers = append(readers, d)
		}
	}
	start := time.Now().Add(-span).UTC().Truncate(time.Millisecond)
	step := span / time.Duration(max(1, reads))
	const batch = 5000
	for done := 0; done < reads; done += batch {
		err := l.Write(ctx, func(tx *ledger.Tx) error {
			for i := done; i < min(done+batch, reads); i++ {
				if err := addRead(tx, readers[i%len(readers)], start.Add(time.Duration(i)*step), i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	head, err := l.Head(ctx)
	if err != nil {
		return err
	}
	return l.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.SetCursor("visits", head); err != nil {
			return err
		}
		return tx.PutSnapshot("live", ledger.Snapshot{ReadSeq: head, Body: []byte("{}")})
	})
}

func addRead(tx *ledger.Tx, d catalogue.Device, at time.Time, i int) error {
	id := uuid.Must(uuid.NewV7())
	if _, err := tx.See(id, [16]byte{byte(i)}, true); err != nil {
		return err
	}
	r := &ingest.Read{
		ID:         id,
		At:         at,
		ReceivedAt: at,
		Device:     d.ID,
		Door:       d.Door,
		Direction:  d.Direction,
		Granted:    true,
		Reason:     "lease",
		OpenMS:     5000,
		NotAfter:   at,
	}
	r.Subject.Member = "bench"
	return tx.AddRead(r)
}

// ready starts this program on a data folder and measures the time until
// /readyz answers.
func ready(ctx context.Context, dir string) (took time.Duration, rss int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	const http1, mqtt = "127.0.0.1:28080", "127.0.0.1:21883"
	cmd := exec.CommandContext(ctx, self, "serve", "--data", dir, "--http", http1, "--mqtt-listen", mqtt)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(os.Interrupt))
		if werr := cmd.Wait(); werr != nil && err == nil {
			err = fmt.Errorf("the started service ended with an error: %w", werr)
		}
	}()
	for time.Since(began) < time.Minute {
		if isReady(ctx, "http://"+http1+"/readyz") {
			took = time.Since(began)
			time.Sleep(200 * time.Millisecond)
			return took, residentOf(cmd.Process.Pid), nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, 0, errors.New("not ready within a minute")
}

func isReady(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// residentOf reads a process's resident memory in bytes, where the system tells (Linux).
func residentOf(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
