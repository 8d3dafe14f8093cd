package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// badgeCmd shows one badge to one reader: what mosquitto_pub and mosquitto_sub
// do, on a machine that has only Go.
type badgeCmd struct {
	trusted
	Broker     string             `help:"Address of the broker; with TLS: mqtts://host:8883. Without --user it must accept anonymous clients, as the demo's does." default:"127.0.0.1:1883" placeholder:"HOST:PORT"`
	User       string             `help:"The device's id or its gateway's." placeholder:"NAME"`
	Password   string             `help:"Its secret." env:"TOTEM_DEVICE_PASSWORD" placeholder:"SECRET"`
	Site       catalogue.SiteID   `arg:"" help:"The reader's site."`
	Reader     catalogue.DeviceID `arg:"" help:"The reader."`
	Credential string             `arg:"" help:"The badge: hex, dec: and a number, or qr: and a token."`
}

// answerTime is how long the command waits for an answer.
const answerTime = 5 * time.Second

func (c *badgeCmd) Run(ctx context.Context, _ *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client, err := c.dial(ctx, c.Broker, mqttclient.Options{Username: c.User, Password: c.Password})
	if err != nil {
		return err
	}
	defer client.Close()
	id := uuid.New()
	answers := make(chan []byte, 16)
	topic := wire.Topic{Site: c.Site, Device: c.Reader, What: wire.Decision}.String()
	if err := client.Subscribe(ctx, topic, func(_ string, p []byte) {
		select {
		case answers <- append([]byte(nil), p...):
		default: // an answer to another badge at the same reader
		}
	}); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"id": id, "at": wire.FormatTime(time.Now()), "credential": c.Credential})
	if err != nil {
		return err
	}
	if err := client.Publish(wire.Topic{Site: c.Site, Device: c.Reader, What: wire.Badge}.String(), body); err != nil {
		return err
	}
	for {
		select {
		case p := <-answers:
			var d struct{ Request uuid.UUID }
			if json.Unmarshal(p, &d) == nil && d.Request == id {
				_, err := fmt.Fprintln(os.Stdout, string(p))
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf(
				"no answer came on %s within %s: is there such a reader, and was the message rejected?",
				topic,
				answerTime,
			)
		}
	}
}
