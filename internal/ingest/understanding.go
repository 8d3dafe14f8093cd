package ingest

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// A line of the catalogue may name a device whose payloads its adapter does not
// understand. Its messages arrive and have no effect: the device is listed,
// with what it sent.

// NotUnderstood describes messages of a device that contain nothing for which
// its kind exists, since the last message that did.
type NotUnderstood struct {
	Count int64
	Last  time.Time
	Topic string
	Body  []byte // of the last message, truncated; without credential
}

// understanding tracks the real devices that speak their own payloads.
type understanding struct {
	n    atomic.Int32 // number of entries in list: usually none
	mu   sync.Mutex
	list map[catalogue.DeviceID]NotUnderstood
}

func (u *understanding) note(it *item, d *catalogue.Device, understood bool) {
	if understood && u.n.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if understood {
		delete(u.list, d.ID)
	} else {
		if u.list == nil {
			u.list = map[catalogue.DeviceID]NotUnderstood{}
		}
		u.list[d.ID] = NotUnderstood{
			Count: u.list[d.ID].Count + 1,
			Last:  it.received,
			Topic: it.Topic,
			Body:  payloadShown(it.Payload, d),
		}
	}
	u.n.Store(int32(len(u.list)))
}

// NotUnderstood returns the devices whose messages arrive while none is
// understood.
func (p *Pipeline) NotUnderstood() map[catalogue.DeviceID]NotUnderstood {
	p.heard.mu.Lock()
	defer p.heard.mu.Unlock()
	return maps.Clone(p.heard.list)
}
