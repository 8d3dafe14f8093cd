package broker

import (
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Limits bounds what clients may cost. A zero field takes its default.
type Limits struct {
	Clients      int // live connections; default 2000
	PerPrincipal int // live connections of one secret or API token, the anonymous excepted; default 16
	// Connections that are not authenticated yet, in all (default 512) and of one address (default 256). Beyond these the
	// oldest are ended once they are older than Fresh (default 3 s), and at three times as many at once: when the power
	// returns, the doors of a whole building may connect at the same moment, from one address, and slowly.
	Unauthenticated int
	PerAddress      int
	Fresh           time.Duration
	ConnectTimeout  time.Duration // from accepting to a complete CONNECT; default 10 s
	PacketBytes     int           // a larger packet ends its connection; default 1 MiB + 64 KiB
	// Packets a second that a device may send on all its connections, each filter of a SUBSCRIBE counted; default 2000.
	DeviceRate       float64
	GatewayRate      float64       // the same for a gateway or an anonymous client; default 50,000
	Filters          int           // filters of one SUBSCRIBE; more ends its connection; default 1024
	DeviceUnacked    int           // bytes delivered and not acknowledged yet, plus 1 KiB for each message; default 1 MiB
	GatewayUnacked   int           // the same for a gateway or an anonymous client; default 8 MiB
	PendingWrites    int           // messages waiting to be encoded for one client; default 2048
	PendingBytes     int           // bytes waiting for one client's network; more ends its connection; default 4 MiB
	WriteTimeout     time.Duration // how long the network may take to accept what is written; default 15 s
	OfflineMessages  int           // messages kept for a client that is away; the oldest decisions go first; default 100
	OfflineSessions  int           // sessions of one principal; the longest away goes first; default 8
	OfflineRetention time.Duration // how long a session is kept for a client that is away; default 24 h
	TakeoverTimeout  time.Duration // how long to wait for a connection that a newer one replaces; default 5 s
}

// withDefaults fills in zero fields.
func (l Limits) withDefaults() Limits {
	def(&l.Clients, 2000)
	def(&l.PerPrincipal, 16)
	def(&l.Unauthenticated, 512)
	def(&l.PerAddress, 256)
	def(&l.Fresh, 3*time.Second)
	def(&l.Filters, 1024)
	def(&l.ConnectTimeout, 10*time.Second)
	def(&l.PacketBytes, 1<<20+64<<10)
	def(&l.DeviceRate, 2000)
	def(&l.GatewayRate, 50_000)
	def(&l.DeviceUnacked, 1<<20)
	def(&l.GatewayUnacked, 8<<20)
	def(&l.PendingWrites, 2048)
	def(&l.PendingBytes, 4<<20)
	def(&l.WriteTimeout, 15*time.Second)
	def(&l.OfflineMessages, 100)
	def(&l.OfflineSessions, 8)
	def(&l.OfflineRetention, 24*time.Hour)
	def(&l.TakeoverTimeout, 5*time.Second)
	return l
}

func def[T int | float64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// account holds the limits that all connections of a principal share. A single
// connection may use all of them.
type account struct {
	rate    *rate.Limiter
	unacked *semaphore.Weighted
	most    int64 // of unacked
}

func (l *Limits) newAccount(p Principal) *account {
	perSecond, unacked := l.DeviceRate, int64(l.DeviceUnacked)
	if p.Gateway || p.Anonymous {
		perSecond, unacked = l.GatewayRate, int64(l.GatewayUnacked)
	}
	return &account{
		rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		semaphore.NewWeighted(unacked),
		unacked,
	}
}

// accountOf returns the account of a principal while any of its connections
// lives; each anonymous client has its own.
func (e *Embedded) accountOf(p Principal) *account {
	if p.Anonymous {
		return e.limits.newAccount(p)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.accounts[p.owner()]
	if a == nil {
		a = e.limits.newAccount(p)
		e.accounts[p.owner()] = a
	}
	return a
}
