package main

import (
	"context"

	"github.com/lorntech/totem/internal/admin"
)

type brokerCmd struct {
	Export brokerExportCmd `cmd:"" help:"Write the password file, access rules and certificates of a Mosquitto from the catalogue."`
}

type brokerExportCmd struct {
	Dir               string   `help:"Folder to write totem.conf, passwd, acl and certificates to; own.passwd and own.acl there are added." required:"" placeholder:"DIR"`
	Host              []string `help:"A name or address under which devices reach the broker; certificates are made for it." placeholder:"HOST"`
	ClientCertificate []string `help:"Also make a certificate for this device; its common name is the device's id." placeholder:"DEVICE"`
	NewSecrets        string   `help:"Make a password for each device that has none, and write them to this CSV file, once." placeholder:"FILE"`
	TotemPassword     string   `help:"Totem's own password at the broker; default: made, and kept in the data folder." env:"TOTEM_MQTT_PASSWORD" placeholder:"PASSWORD"`
	Yes               bool     `help:"Export the built-in catalogue of the four LORnTECH sites."`
	place
	Catalogue string `help:"Catalogue file of the service." env:"TOTEM_CATALOGUE" placeholder:"FILE"`
}

func (c *brokerExportCmd) Run(ctx context.Context, out *printer) error {
	return admin.ExportBroker(ctx, c.config(c.Catalogue), admin.BrokerExport{
		Dir:           c.Dir,
		Hosts:         c.Host,
		TotemPassword: c.TotemPassword,
		NewSecrets:    c.NewSecrets,
		Certificates:  c.ClientCertificate,
		Yes:           c.Yes,
	}, out)
}
