package sim

import (
	"context"

	"github.com/lorntech/totem/internal/mqttclient"
)

// Dialled is a Link over MQTT.
type Dialled struct{ *mqttclient.Client }

// Subscribe calls handle for every message on the filter's topics.
func (d Dialled) Subscribe(ctx context.Context, filter string, handle func(topic string, payload []byte)) error {
	return d.Client.Subscribe(ctx, filter, handle)
}
