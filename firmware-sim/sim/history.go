package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
)

// Publisher takes a message and returns when there is room for the next; a
// message is delivered once, or again after a fault.
type Publisher interface {
	Publish(topic string, payload []byte) error
	Drain(ctx context.Context) error
}

// Config is what a simulation needs.
type Config struct {
	World  *people.World
	Seed   uint64
	Faults Faults
	Truth  io.Writer // JSON lines: who really was where; nil: not written
	// Forgetful is the percentage of exits that are not badged; default 5.
	Forgetful *int
	// Progress is called with how many of all days are done, and how many
	// messages; it may be nil.
	Progress func(days, of, messages int)
}

// Summary counts what a simulation sent.
type Summary struct {
	Days     int
	Messages int
	Badges   int
	Refused  int
	Stays    int
}

// Sim simulates one local day after the other.
type Sim struct {
	cfg     Config
	town    *life.Town
	devices *devices
	days    int
}

// New prepares the people and devices of a world.
func New(cfg Config) (*Sim, error) {
	decide, err := decider(cfg.World)
	if err != nil {
		return nil, err
	}
	s := &Sim{cfg: cfg, town: life.New(cfg.World, cfg.Seed, decide)}
	if cfg.Forgetful != nil {
		s.town.Forgetful = *cfg.Forgetful
	}
	s.devices = newDevices(cfg.World.Network, s.town, cfg.Seed, cfg.Faults.Dead)
	return s, nil
}

// day returns the next day's messages in their order of arrival, and writes the
// truth.
func (s *Sim) day(d catalogue.Day) ([]Sent, int, error) {
	messages, stays := s.devices.day(d)
	s.days++
	if s.cfg.Truth != nil {
		enc := json.NewEncoder(s.cfg.Truth)
		for _, st := range stays {
			if err := enc.Encode(st); err != nil {
				return nil, 0, fmt.Errorf("write the truth: %w", err)
			}
		}
	}
	return s.cfg.Faults.onAir(messages, s.cfg.Seed, s.days), len(stays), nil
}

// History simulates the days [from, to] and sends them as fast as p takes them:
// readers have decided by themselves, sensors report the past. Nothing later
// than until is sent.
func (s *Sim) History(ctx context.Context, p Publisher, from, to catalogue.Day, until time.Time) (Summary, error) {
	var sum Summary
	for d := from; d <= to; d++ {
		messages, stays, err := s.day(d)
		if err != nil {
			return sum, err
		}
		sum.Stays += stays
		for i := range messages {
			if messages[i].At.After(until) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return sum, err
			}
			if err := send(p, &messages[i]); err != nil {
				return sum, err
			}
			sum.count(&messages[i])
		}
		sum.Days++
		if s.cfg.Progress != nil {
			s.cfg.Progress(sum.Days, int(to-from)+1, sum.Messages)
		}
	}
	return sum, p.Drain(ctx)
}

func (sum *Summary) count(s *Sent) {
	sum.Messages++
	if s.Step != nil {
		sum.Badges++
		if !s.Step.Granted {
			sum.Refused++
		}
	}
}

func send(p Publisher, s *Sent) error {
	payload, err := s.Message.Encode()
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	return p.Publish(s.Message.Topic.String(), payload)
}
