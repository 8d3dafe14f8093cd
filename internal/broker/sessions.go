package broker

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/lorntech/totem/internal/catalogue"
)

// nextOrder returns the number of the next message we send. mochi sorts what a client
// has not acknowledged by the low 16 bits. Here they are all ones, so that a new
// message comes after all those that renumberQueue has numbered.
func (e *Embedded) nextOrder() int64 {
	e.order++
	return e.order<<16 | 0xffff
}

// OnSessionEstablish is called right before mochi resumes the client's former
// session. From here on no message is sent to anybody until the new connection
// has its place, or one could be lost between the two.
func (g *guard) OnSessionEstablish(cl *mqtt.Client, pk packets.Packet) {
	s := sessionOf(cl)
	s.hold()
	s.newest = map[string]uint16{}
	if old, ok := g.broker.server.Clients.Get(cl.ID); ok {
		g.inherit(s, old)
	}
	if !pk.Connect.Clean {
		g.broker.makeRoomForSession(s)
	}
}

// inherit prepares the former session of this client id so that s continues it, or
// forgets it where it was somebody else's: everybody who connects with an API token has
// the same username, so that two of them can use the same client id.
func (g *guard) inherit(s *session, old *mqtt.Client) {
	former := sessionOf(old)
	if former == nil || former.principal.owner() != s.principal.owner() {
		g.broker.forget(old)
		return
	}
	renumberQueue(old)
	if former.newest != nil {
		s.newest = former.newest
	}
	s.latest.inherit(former.latest)
}

// renumberQueue makes mochi send what waits in the order in which it was
// published.
func renumberQueue(cl *mqtt.Client) {
	waiting := cl.State.Inflight.GetAll(false)
	slices.SortFunc(waiting, func(a, b packets.Packet) int { return cmp.Compare(a.Created, b.Created) })
	for i := range waiting {
		waiting[i].Created = int64(i)
		cl.State.Inflight.Set(waiting[i])
	}
}

// OnSessionEstablished is called when what waited has been sent again.
func (g *guard) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	s := sessionOf(cl)
	s.release()
	close(s.resumed)
	g.broker.tasks.Go(func() { s.sendLatest(cl) })
	s.present.Store(true)
	if !s.principal.Until.IsZero() {
		end := time.AfterFunc(time.Until(s.principal.Until), s.close)
		context.AfterFunc(s.ctx, func() { end.Stop() })
	}
	if g.broker.cfg.OnPresence != nil {
		g.broker.cfg.OnPresence(s.principal, true)
	}
	for filter := range cl.State.Subscriptions.GetAll() { // subscriptions of the session that it has resumed
		g.broker.subscribed(s, filter)
	}
}

// OnQosPublish sees each message that mochi keeps until its client acknowledges
// it, and each that it sends again after a reconnect.
func (g *guard) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	if pk.FixedHeader.Dup {
		s.release() // the list of what is sent again is complete: others may publish while it is sent
		return
	}
	if cl.Closed() && cl.State.Inflight.Len() > g.broker.limits.OfflineMessages {
		forgetOldest(cl)
		g.broker.stats.dropped.Add(1)
	}
}

// supersede drops the former message of a retained topic that the client has
// not acknowledged: only the last matters.
func (s *session) supersede(cl *mqtt.Client, pk packets.Packet) {
	if former, ok := s.newest[pk.TopicName]; ok && former != pk.PacketID {
		if m, ok := cl.State.Inflight.Get(former); ok && m.TopicName == pk.TopicName {
			cl.State.Inflight.Delete(former)
		}
	}
	s.newest[pk.TopicName] = pk.PacketID
}

// forgetOldest drops the oldest decision, for which its reader no longer waits,
// or else the oldest message.
func forgetOldest(cl *mqtt.Client) {
	waiting := cl.State.Inflight.GetAll(false)
	oldest := slices.MinFunc(waiting, func(a, b packets.Packet) int {
		if da, db := strings.HasSuffix(a.TopicName, "/decision"), strings.HasSuffix(b.TopicName, "/decision"); da != db {
			if da {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Created, b.Created)
	})
	cl.State.Inflight.Delete(oldest.PacketID)
}

// makeRoomForSession makes room for s among the principal's sessions. It runs under deliver.
func (e *Embedded) makeRoomForSession(s *session) {
	var away []*mqtt.Client
	for id, cl := range e.server.Clients.GetAll() {
		if other := sessionOf(cl); other != nil && id != s.clientID && cl.Closed() &&
			other.principal.owner() == s.principal.owner() {
			away = append(away, cl)
		}
	}
	if len(away) < e.limits.OfflineSessions {
		return
	}
	slices.SortFunc(away, func(a, b *mqtt.Client) int { return cmp.Compare(a.StopTime(), b.StopTime()) })
	for _, cl := range away[:len(away)-e.limits.OfflineSessions+1] {
		e.forget(cl)
	}
}

// forget ends the session of a client that is away. It runs under deliver.
func (e *Embedded) forget(cl *mqtt.Client) {
	e.server.UnsubscribeClient(cl)
	cl.ClearInflights()
	e.server.Clients.Delete(cl.ID)
}

// forgetSessions ends the sessions of clients that have been away for too long.
func (e *Embedded) forgetSessions() {
	tick := time.NewTicker(min(time.Minute, e.limits.OfflineRetention))
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case now := <-tick.C:
			e.forgetWhere(func(cl *mqtt.Client, _ *session) bool {
				stopped := cl.StopTime()
				return stopped > 0 && now.Sub(time.Unix(stopped, 0)) >= e.limits.OfflineRetention
			})
		}
	}
}

func (e *Embedded) forgetWhere(match func(*mqtt.Client, *session) bool) {
	e.deliver.Lock()
	defer e.deliver.Unlock()
	for _, cl := range e.server.Clients.GetAll() {
		if s := sessionOf(cl); s != nil && cl.Closed() && match(cl, s) {
			e.forget(cl)
		}
	}
}

// Disconnect ends the device's connections and forgets its sessions, for when
// its secret is replaced. A connection that is being opened at this moment is
// authenticated again.
func (e *Embedded) Disconnect(d catalogue.DeviceID) {
	e.DisconnectWhere(func(p Principal) bool { return p.Device == d && !p.Anonymous })
}

// DisconnectWhere does the same for every principal that matches, as when an
// API token is withdrawn.
func (e *Embedded) DisconnectWhere(match func(Principal) bool) {
	e.epoch.Add(1)
	e.mu.Lock()
	var ended []*session
	for _, s := range e.live {
		if match(s.principal) {
			ended = append(ended, s)
		}
	}
	e.mu.Unlock()
	for _, s := range ended {
		s.close()
	}
	timeout, cancel := context.WithTimeout(context.Background(), e.limits.TakeoverTimeout)
	defer cancel()
	for _, s := range ended {
		select {
		case <-s.done:
		case <-timeout.Done(): // a handler still holds it; its session is forgotten all the same
		}
	}
	e.forgetWhere(func(_ *mqtt.Client, s *session) bool { return match(s.principal) })
}
