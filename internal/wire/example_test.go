package wire_test

import (
	"fmt"

	"github.com/lorntech/totem/internal/wire"
)

// A device's message is read strictly: the error names the field.
func ExampleDecode() {
	topic, err := wire.ParseUp("totem/v1/metz/metz-cafe-count/count")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := wire.Decode(topic, []byte(
		`{"id":"018f5b1e-7c00-7000-8000-000000000001","at":"2026-11-23T08:00:00Z","count":7}`))
	fmt.Println(m.Topic.Device, m.Count, err)
	_, err = wire.Decode(topic, []byte(
		`{"id":"018f5b1e-7c00-7000-8000-000000000001","at":"2026-11-23T08:00:00Z","count":-1}`))
	fmt.Println(err)
	// Output:
	// metz-cafe-count 7 <nil>
	// count: is not a whole number of 0 or more
}
