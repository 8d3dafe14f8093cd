package wire

import "github.com/lorntech/totem/internal/catalogue"

func espRFID() adapter { return adapter{} }

// OpenForeign is replaced with the adapter.
func OpenForeign(*catalogue.Device) (topic string, payload []byte, ok bool) { return "", nil, false }
