package series

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	influxlog "github.com/influxdata/influxdb-client-go/v2/log"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

// InfluxConfig names the InfluxDB for a copy of the series: 2.x, or 1.8 with
// its 2.x API (token user:password or empty, no org, bucket database/policy).
type InfluxConfig struct {
	URL, Token, Org, Bucket string
}

// Influx is an InfluxDB that holds a copy of the series.
type Influx struct {
	cfg     InfluxConfig
	network *catalogue.Network
	client  influxdb2.Client
	write   api.WriteAPIBlocking
}

// influxTimeout limits one request, in seconds.
const influxTimeout = 20

// NewInflux returns a client; it sends nothing yet.
func NewInflux(n *catalogue.Network, cfg InfluxConfig) *Influx {
	influxlog.Log = nil // errors are returned; the client would also print them
	opts := influxdb2.DefaultOptions().SetUseGZip(
		true,
	).SetPrecision(
		time.Millisecond,
	).SetHTTPRequestTimeout(
		influxTimeout,
	).SetApplicationName(
		"totem/1",
	)
	c := influxdb2.NewClientWithOptions(cfg.URL, cfg.Token, opts)
	return &Influx{cfg: cfg, network: n, client: c, write: c.WriteAPIBlocking(cfg.Org, cfg.Bucket)}
}

// Close closes the connections to InfluxDB.
func (i *Influx) Close() { i.client.Close() }

// Mark writes a point that marks this bucket as Totem's copy. No error also means that the
// token may write.
func (i *Influx) Mark(ctx context.Context, at time.Time) error {
	l := newLines(i.network)
	l.begin(measureService, "service", "totem")
	l.int(fieldMark, 1)
	l.end(at)
	return i.send(ctx, l)
}

// Marked reports whether a mark is still there. Where it is not, the database was
// wiped or is another one.
func (i *Influx) Marked(ctx context.Context, at time.Time) (there bool, err error) {
	flux := fmt.Sprintf(
		`from(bucket: %q)
	|> range(start: %s, stop: %s)
	|> filter(fn: (r) => r._measurement == %q and r._field == %q)`,
		i.cfg.Bucket,
		at.UTC().Format(time.RFC3339),
		at.Add(time.Second).UTC().Format(time.RFC3339),
		measureService,
		fieldMark,
	)
	err = i.query(ctx, flux, func(time.Time, map[string]any) error {
		there = true
		return nil
	})
	return there, err
}

// Access returns an error if the token may not both read and write the bucket. The
// error says which of the two is missing.
func (i *Influx) Access(ctx context.Context, now time.Time) error {
	write := i.Mark(ctx, now)
	_, read := i.Marked(ctx, now)
	switch {
	case errors.Is(write, errRefused) && read == nil:
		return fmt.Errorf("the token may only read bucket %q, not write it (TOTEM_INFLUX_TOKEN): %w", i.cfg.Bucket, write)
	case write == nil && errors.Is(read, errRefused):
		return fmt.Errorf("the token may only write bucket %q, not read it (TOTEM_INFLUX_TOKEN; for 1.8, flux-enabled): %w",
			i.cfg.Bucket, read)
	}
	return errors.Join(write, read)
}

// Retention returns how long the bucket keeps points; 0: for ever.
func (i *Influx) Retention(ctx context.Context) (time.Duration, error) {
	bucket, err := i.client.BucketsAPI().FindBucketByName(ctx, i.cfg.Bucket)
	if err == nil {
		for _, rule := range bucket.RetentionRules {
			return time.Duration(rule.EverySeconds) * time.Second, nil
		}
		return 0, nil
	}
	return i.policy(ctx)
}

// policy asks an InfluxDB 1.8, which has no API of buckets, for the retention of a
// database's policy.
func (i *Influx) policy(ctx context.Context) (time.Duration, error) {
	database, policy, _ := strings.Cut(i.cfg.Bucket, "/")
	q := url.Values{"q": {"SHOW RETENTION POLICIES"}, "db": {database}}
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodGet,
		strings.TrimSuffix(i.cfg.URL, "/")+"/query?"+q.Encode(),
		nil,
	)
	if err != nil {
		return 0, err
	}
	if user, password, ok := strings.Cut(i.cfg.Token, ":"); ok {
		req.SetBasicAuth(user, password)
	}
	resp, err := (&http.Client{Timeout: influxTimeout * time.Second}).Do(req)
	if err != nil {
		return 0, i.explain(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Results []struct {
			Series []struct {
				Columns []string
				Values  [][]any
			}
		}
	}
	if err := json.NewDecoder(
		io.LimitReader(resp.Body, 1<<20),
	).Decode(
		&answer,
	); err != nil ||
		resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("InfluxDB does not tell how long it keeps bucket %q: %s", i.cfg.Bucket, resp.Status)
	}
	for _, r := range answer.Results {
		for _, s := range r.Series {
			for _, row := range s.Values {
				name, duration, usual := column(
					s.Columns,
					row,
					"name",
				), column(
					s.Columns,
					row,
					"duration",
				), column(
					s.Columns,
					row,
					"default",
				)
				if name == policy || policy == "" && usual == true {
					text, _ := duration.(string)
					return time.ParseDuration(text)
				}
			}
		}
	}
	return 0, fmt.Errorf("InfluxDB has no retention policy %q in database %q (TOTEM_INFLUX_BUCKET)", policy, database)
}

// column returns a row's value in the column of that name; nil: there is none.
func column(columns []string, row []any, name string) any {
	if k := slices.Index(columns, name); k >= 0 && k < len(row) {
		return row[k]
	}
	return nil
}

// send writes what was collected: all of it, or it returns an error.
func (i *Influx) send(ctx context.Context, l *lines) error {
	if err := l.enc.Err(); err != nil {
		return fmt.Errorf("write a row as InfluxDB's line protocol: %w", err)
	}
	if l.n == 0 {
		return nil
	}
	return i.explain(i.write.WriteRecord(ctx, strings.TrimSuffix(string(l.enc.Bytes()), "\n")))
}

// errExpired is InfluxDB's refusal of points that are older than the bucket
// keeps any.
var errExpired = errors.New("older than the bucket's retention")

// errRefused is wrapped by errors of requests that InfluxDB refuses: the token may not do
// what was asked, or there is no such bucket. InfluxDB does not tell these two apart.
var errRefused = errors.New("refused")

// explain adds to an error what an operator can do about it. It does not repeat
// the token.
func (i *Influx) explain(err error) error {
	var e *influxhttp.Error
	if err == nil || !errors.As(err, &e) || e.StatusCode == 0 {
		if err != nil {
			u, parse := url.Parse(i.cfg.URL)
			if parse != nil {
				u = &url.URL{}
			}
			return fmt.Errorf("InfluxDB at %s cannot be reached (TOTEM_INFLUX_URL): %w", u.Host, withoutURL(err))
		}
		return nil
	}
	msg := strings.ToLower(e.Message)
	switch {
	case e.StatusCode == http.StatusUnauthorized:
		return refusal{"InfluxDB refuses the token (TOTEM_INFLUX_TOKEN; for 1.8 it is user:password)", err}
	case e.StatusCode == http.StatusForbidden:
		return refusal{fmt.Sprintf("the token may not use bucket %q "+
			"(TOTEM_INFLUX_TOKEN needs write and read access to it; 1.8 needs flux-enabled)", i.cfg.Bucket), err}
	case e.StatusCode == http.StatusNotFound, strings.Contains(msg, "no database"): // 1.8 says 500 to a question
		return refusal{fmt.Sprintf("there is no bucket %q in org %q, or the token may not see it "+
			"(TOTEM_INFLUX_BUCKET, TOTEM_INFLUX_ORG; for 1.8 the bucket is database/policy)", i.cfg.Bucket, i.cfg.Org), err}
	case strings.Contains(msg, "retention policy"):
		return fmt.Errorf("%w: %w", errExpired, err)
	case e.StatusCode == http.StatusTooManyRequests || e.StatusCode >= 500:
		return fmt.Errorf("InfluxDB cannot write now: %w", err)
	}
	return fmt.Errorf("InfluxDB does not accept the series: %w", err)
}

// withoutURL returns an error of net/http without the URL, which may hold a password.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// refusal is an error that [errRefused] is in.
type refusal struct {
	why string
	err error
}

func (r refusal) Error() string   { return r.why + ": " + r.err.Error() }
func (r refusal) Unwrap() []error { return []error{errRefused, r.err} }

// Minutes reads a space's minutes [from, to) from InfluxDB.
func (i *Influx) Minutes(ctx context.Context, space catalogue.SpaceID, from, to int64) ([]occupancy.Run, error) {
	flux := fmt.Sprintf(`from(bucket: %q)
	|> range(start: %s, stop: %s)
	|> filter(fn: (r) => r._measurement == %q and r.space == %q)
	|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
	|> group()
	|> sort(columns: ["_time"])`, i.cfg.Bucket, rfc(from), until(to), measureMinute, string(space))
	var runs []occupancy.Run
	at := from
	err := i.query(ctx, flux, func(t time.Time, v map[string]any) error {
		m := occupancy.MinuteOf(t)
		if m < at {
			return fmt.Errorf("minute %s of %s occurs twice", t, space)
		}
		runs = occupancy.AppendRun(runs, occupancy.Run{Minutes: int(m - at)}) // missing minutes are unknown
		runs = occupancy.AppendRun(runs, occupancy.Run{Minutes: 1, Minute: occupancy.Minute{
			Known:    int32(millis(v["known_seconds"])),
			Occupied: int32(millis(v["occupied_seconds"])),
			Person:   millis(v["person_seconds"]),
			Peak:     int32(whole(v["peak"])),
		}})
		at = m + 1
		return nil
	})
	return occupancy.AppendRun(runs, occupancy.Run{Minutes: int(to - at)}), err
}

// Days sums the daily points of the local days that begin in [from, to), by
// space.
func (i *Influx) Days(ctx context.Context, from, to time.Time) (map[catalogue.SpaceID]occupancy.Sum, error) {
	out := map[catalogue.SpaceID]occupancy.Sum{}
	for _, f := range []struct{ fold, filter string }{{"sum", `r._field != "peak" and r._field != "capacity"`}, {"max", `r._field == "peak"`}} {
		flux := fmt.Sprintf(`from(bucket: %q)
	|> range(start: %s, stop: %s)
	|> filter(fn: (r) => r._measurement == %q and (%s))
	|> group(columns: ["space", "_field"])
	|> %s()`, i.cfg.Bucket, rfc(occupancy.MinuteOf(from)), until(occupancy.MinuteOf(to)), measureDay, f.filter, f.fold)
		err := i.query(ctx, flux, func(_ time.Time, v map[string]any) error {
			id := catalogue.SpaceID(fmt.Sprint(v["space"]))
			s := out[id]
			setField(&s, fmt.Sprint(v["_field"]), v["_value"])
			out[id] = s
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// setField sets the field of a sum that has the given name in InfluxDB.
func setField(s *occupancy.Sum, field string, v any) {
	switch field {
	case "known_seconds":
		s.Known = millis(v)
	case "occupied_seconds":
		s.Occupied = millis(v)
	case "person_seconds":
		s.Person = millis(v)
	case "open_seconds":
		s.Open = millis(v)
	case "known_open_seconds":
		s.KnownOpen = millis(v)
	case "occupied_open_seconds":
		s.OccupiedOpen = millis(v)
	case "person_open_seconds":
		s.PersonOpen = millis(v)
	case "peak":
		s.Peak = int32(whole(v))
	}
}

// until ends a range before a minute. 1.8 includes a point at a range's stop,
// 2.x does not: a millisecond earlier, both agree.
func until(minute int64) string {
	return occupancy.MinuteTime(minute).Add(-time.Millisecond).Format(time.RFC3339Nano)
}

func rfc(minute int64) string { return occupancy.MinuteTime(minute).Format(time.RFC3339) }

// query runs Flux and passes on the rows one by one.
func (i *Influx) query(ctx context.Context, flux string, yield func(time.Time, map[string]any) error) error {
	result, err := i.client.QueryAPI(i.cfg.Org).Query(ctx, flux)
	if err != nil {
		return i.explain(err)
	}
	defer result.Close()
	for result.Next() {
		t, _ := result.Record().Values()["_time"].(time.Time)
		if err := yield(t, result.Record().Values()); err != nil {
			return err
		}
	}
	return i.explain(result.Err())
}

func millis(v any) int64 {
	f, _ := v.(float64)
	return int64(f*1000 + 0.5)
}

func whole(v any) int64 {
	n, _ := v.(int64)
	return n
}
