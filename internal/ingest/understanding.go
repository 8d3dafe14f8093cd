package ingest

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// A line of the catalogue may name a device whose payloads its adapter does not
// read. Such a device talks and nobody hears it: it is named, with what came.

// NotUnderstood is what came of a device without anything in it that a device
// of its kind is there for, since the last message that had.
type NotUnderstood struct {
	Count int64
	Last  time.Time
	Topic string
	Body  []byte // of the last, cut; no credential
}

// understanding is of the real devices that speak their own payloads.
type understanding struct {
	n    atomic.Int32 // entries in list: none is the usual case
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
		u.list[d.ID] = NotUnderstood{Count: u.list[d.ID].Count + 1, Last: it.received, Topic: it.Topic, Body: shown(it.Payload, d)}
	}
	u.n.Store(int32(len(u.list)))
}

// NotUnderstood returns the devices of which messages come and none is understood.
func (p *Pipeline) NotUnderstood() map[catalogue.DeviceID]NotUnderstood {
	p.heard.mu.Lock()
	defer p.heard.mu.Unlock()
	return maps.Clone(p.heard.list)
}
