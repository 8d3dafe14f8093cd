package catalogue

import (
	"strings"
	"testing"
)

func TestAFaultOfTheNetworkOrASiteNamesFileLineAndField(t *testing.T) {
	try(t, []fault{
		{
			"unknown field",
			"network: LORnTECH",
			"network: LORnTECH\nspacess: []",
			[]string{`2: spacess: unknown field; did you mean "spaces"?`},
		},
		{
			"unknown field far from any",
			"network: LORnTECH",
			"network: LORnTECH\ncolour: red",
			[]string{"2: colour: unknown field; a catalogue has network timezone sites buildings spaces doors devices"},
		},
		{"no network", "network: LORnTECH\n", "", []string{"1: network: is missing"}},
		{"a null network", "network: LORnTECH", "network:", []string{"1: network: is missing"}},
		{
			"unknown time zone",
			"Europe/Paris",
			"Europe/Metz",
			[]string{`2: timezone: "Europe/Metz" is not a time zone like Europe/Paris`},
		},
		{
			"this machine's time zone",
			"Europe/Paris",
			"Local",
			[]string{`2: timezone: "Local" is not a time zone like Europe/Paris`},
		},
		{"no time zone", "timezone: Europe/Paris\n", "", []string{"1: timezone: is missing"}},
		{
			"the opening is not a list",
			"    opening:                        # weekly, local time; holidays are closed\n      - {days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"20:00\"}\n",
			"    opening: always\n",
			[]string{"8: sites[0].opening: is not a list"},
		},
		{
			"a site is not a mapping",
			"sites:\n",
			"sites:\n  - nancy\n",
			[]string{"4: sites[0]: is not a mapping; a site has id name city holidays opening"},
		},
		{
			"reserved id",
			"id: metz\n",
			"id: live\n",
			[]string{
				`4: sites[0].id: "live" is reserved`,
				`12: buildings[0].site: there is no site "metz"`,
				`22: devices[0].site: there is no site "metz"`,
				`23: devices[1].site: there is no site "metz"`,
				`24: devices[2].site: there is no site "metz"`,
				`25: devices[3].site: there is no site "metz"`,
				`26: devices[4].site: there is no site "metz"`,
				`27: devices[5].site: there is no site "metz"`,
			},
		},
		{
			"no slug",
			"id: metz\n",
			"id: Metz\n",
			[]string{
				`4: sites[0].id: "Metz" is not an id: a-z, 0-9 and -, beginning with a letter or digit, at most 64 characters`,
				`12: buildings[0].site: there is no site "metz"; did you mean "Metz"?`,
				`22: devices[0].site: there is no site "metz"; did you mean "Metz"?`,
				`23: devices[1].site: there is no site "metz"; did you mean "Metz"?`,
				`24: devices[2].site: there is no site "metz"; did you mean "Metz"?`,
				`25: devices[3].site: there is no site "metz"; did you mean "Metz"?`,
				`26: devices[4].site: there is no site "metz"; did you mean "Metz"?`,
				`27: devices[5].site: there is no site "metz"; did you mean "Metz"?`,
			},
		},
		{"no city", "    city: Metz\n", "", []string{"4: sites[0].city: is missing"}},
		{
			"unknown field of a site",
			"    city: Metz\n",
			"    city: Metz\n    opened: 2014\n",
			[]string{"7: sites[0].opened: unknown field; a site has id name city holidays opening"},
		},
		{
			"holiday calendar",
			"fr-moselle",
			"fr-alsace",
			[]string{`7: sites[0].holidays: "fr-alsace" is not known: it must be one of fr fr-moselle`},
		},
		{"no holiday calendar", "    holidays: fr-moselle", "#", []string{"4: sites[0].holidays: is missing"}},
		{
			"a window backwards",
			`from: "08:00", to: "20:00"`,
			`from: "20:00", to: "08:00"`,
			[]string{"9: sites[0].opening[0].to: 08:00 is not after 20:00"},
		},
		{
			"a window of nothing",
			`from: "08:00", to: "20:00"`,
			`from: "08:00", to: "08:00"`,
			[]string{"9: sites[0].opening[0].to: 08:00 is not after 08:00"},
		},
		{"no time of day", `"08:00"`, `"8h"`, []string{`9: sites[0].opening[0].from: "8h" is not a time of day like 08:00`}},
		{
			"past the day's end",
			`"20:00"`,
			`"24:01"`,
			[]string{`9: sites[0].opening[0].to: "24:01" is not a time of day like 08:00`},
		},
		{
			"no day",
			"mon, tue",
			"lun, tue",
			[]string{`9: sites[0].opening[0].days[0]: "lun" is not a weekday: mon tue wed thu fri sat sun`},
		},
		{"a day twice", "mon, tue", "mon, mon", []string{"9: sites[0].opening[0].days[1]: mon is named twice"}},
		{"no days", "[mon, tue, wed, thu, fri]", "[]", []string{"9: sites[0].opening[0].days: names no weekday"}},
		{"days missing", "days: [mon, tue, wed, thu, fri], ", "", []string{"9: sites[0].opening[0].days: is missing"}},
		{
			"unknown field of a window",
			`to: "20:00"`,
			`to: "20:00", until: x`,
			[]string{"9: sites[0].opening[0].until: unknown field; an opening has days from to"},
		},
		{
			"overlapping windows",
			`to: "20:00"}`,
			"to: \"20:00\"}\n      - {days: [fri, sat], from: \"19:00\", to: \"22:00\"}",
			[]string{"10: sites[0].opening[1]: overlaps another opening on fri"},
		},
	})
}

func TestAFaultOfABuildingOrASpaceNamesFileLineAndField(t *testing.T) {
	hall := "  - {id: metz-hall, building: metz-blida, floor: 0, name: Hall, kind: common, capacity: 60, area_m2: 180}\n"
	try(t, []fault{
		{
			"unknown site",
			"site: metz, name",
			"site: mets, name",
			[]string{`12: buildings[0].site: there is no site "mets"; did you mean "metz"?`},
		},
		{"no name", ", name: TCRM-Blida}", "}", []string{"12: buildings[0].name: is missing"}},
		{
			"unknown building",
			"building: metz-blida, floor: 0, name: Hall",
			"building: metz-blda, floor: 0, name: Hall",
			[]string{`15: spaces[0].building: there is no building "metz-blda"; did you mean "metz-blida"?`},
		},
		{
			"missing building",
			"building: metz-blida, floor: 0, name: Hall",
			"floor: 0, name: Hall",
			[]string{"15: spaces[0].building: is missing"},
		},
		{
			"missing parent",
			"parent: metz-hall",
			"parent: metz-foyer",
			[]string{`16: spaces[1].parent: there is no space "metz-foyer"`},
		},
		{
			"outside as a parent",
			"parent: metz-hall",
			"parent: outside",
			[]string{"16: spaces[1].parent: \"outside\" is not a space: leave parent out where a space is entered from outside"},
		},
		{
			"own parent",
			"parent: metz-hall",
			"parent: metz-coworking",
			[]string{"16: spaces[1].parent: is part of a circle of parents: metz-coworking → metz-coworking"},
		},
		{
			"a circle",
			"kind: common,",
			"kind: common, parent: metz-coworking,",
			[]string{"15: spaces[0].parent: is part of a circle of parents: metz-hall → metz-coworking → metz-hall"},
		},
		{
			"parent of another site",
			"metz-coworking, building: metz-blida",
			"metz-coworking, building: nancy-source",
			[]string{
				`16: spaces[1].parent: "metz-hall" is in metz, this space in nancy`,
				`20: doors[1].to: "metz-coworking" is in nancy, from is in metz: a door joins spaces of one site`,
				"24: devices[2].site: is metz, but the door is in nancy",
				"25: devices[3].site: is metz, but the space is in nancy",
				"26: devices[4].site: is metz, but the space is in nancy",
			},
		},
		{"duplicate id", hall, hall + hall, []string{`16: spaces[1].id: "metz-hall" is already the id in line 15`}},
		{
			"too long an id",
			"id: metz-hall",
			"id: " + strings.Repeat("a", 65),
			[]string{
				`15: spaces[0].id: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is not an id: a-z, 0-9 and -, beginning with a letter or digit, at most 64 characters`,
				`16: spaces[1].parent: there is no space "metz-hall"`,
				`19: doors[0].to: there is no space "metz-hall"`,
				`20: doors[1].from: there is no space "metz-hall"`,
			},
		},
		{
			"id outside",
			"id: metz-hall",
			"id: outside",
			[]string{
				`15: spaces[0].id: "outside" is reserved`,
				`16: spaces[1].parent: there is no space "metz-hall"`,
				`19: doors[0].to: there is no space "metz-hall"`,
				`20: doors[1].from: there is no space "metz-hall"`,
			},
		},
		{
			"wrong kind",
			"kind: common",
			"kind: comon",
			[]string{`15: spaces[0].kind: "comon" is not known; did you mean "common"?`},
		},
		{
			"unknown kind",
			"kind: common",
			"kind: kitchen",
			[]string{
				`15: spaces[0].kind: "kitchen" is not known: it must be one of private-office coworking meeting-room associations-office demo common cafe fablab training videoconference incubator accelerator auditorium studio`,
			},
		},
		{"missing kind", "kind: common, ", "", []string{"15: spaces[0].kind: is missing"}},
		{"negative capacity", "capacity: 60", "capacity: -1", []string{"15: spaces[0].capacity: is less than 1"}},
		{"no capacity", "capacity: 60, ", "", []string{"15: spaces[0].capacity: is missing"}},
		{"capacity of nobody", "capacity: 60", "capacity: 0", []string{"15: spaces[0].capacity: is less than 1"}},
		{"half a person", "capacity: 60", "capacity: 2.5", []string{"15: spaces[0].capacity: is not a whole number"}},
		{"capacity in quotes", "capacity: 60", `capacity: "60"`, []string{"15: spaces[0].capacity: is not a whole number"}},
		{
			"capacity beyond all numbers",
			"capacity: 60",
			"capacity: 18446744073709551615",
			[]string{"15: spaces[0].capacity: is more than 100000"},
		},
		{"negative area", "area_m2: 180", "area_m2: -180", []string{"15: spaces[0].area_m2: must be more than 0"}},
		{"no area", ", area_m2: 180", "", []string{"15: spaces[0].area_m2: is missing"}},
		{"area of nothing", "area_m2: 180", "area_m2: 0", []string{"15: spaces[0].area_m2: must be more than 0"}},
		{"area in words", "area_m2: 180", "area_m2: large", []string{"15: spaces[0].area_m2: is not a number"}},
		{"area without number", "area_m2: 180", "area_m2: .nan", []string{"15: spaces[0].area_m2: is not a number"}},
		{"endless area", "area_m2: 180", "area_m2: .inf", []string{"15: spaces[0].area_m2: is not a number"}},
		{"half a floor", "floor: 0", "floor: 0.5", []string{"15: spaces[0].floor: is not a whole number"}},
		{"no floor", "floor: 0, ", "", []string{"15: spaces[0].floor: is missing"}},
		{"negative rent", "1150", "-1", []string{"16: spaces[1].rent_cents_m2_month: is less than 0"}},
		{"rent in euros", "1150", "11.50", []string{"16: spaces[1].rent_cents_m2_month: is not a whole number"}},
		{
			"unknown anti-passback",
			"anti_passback: alert",
			"anti_passback: warn",
			[]string{`16: spaces[1].anti_passback: "warn" is not known: it must be one of alert enforce`},
		},
		{
			"anti-passback without a reader out",
			"direction: out}\n  - {id: metz-coworking-count",
			"direction: in}\n  - {id: metz-coworking-count",
			[]string{
				"16: spaces[1].anti_passback: needs a reader of direction out on a door into this space: otherwise nobody could be seen to leave",
			},
		},
		{
			"an office below a coworking",
			"\ndoors:",
			"\n  - {id: metz-office, building: metz-blida, floor: 0, name: Bureau, kind: private-office, parent: metz-coworking, capacity: 2, area_m2: 12}\ndoors:",
			[]string{"18: spaces[3].parent: an office may not lie below a coworking: its hours would be billed as coworking"},
		},
		{"an empty name", "name: Hall", `name: " "`, []string{"15: spaces[0].name: is empty"}},
		{
			"a name of two lines",
			"name: Hall",
			`name: "Ha\nll"`,
			[]string{"15: spaces[0].name: contains a line break or another control character"},
		},
		{"a name that is a list", "name: Hall", "name: [Hall]", []string{"15: spaces[0].name: is not a text"}},
	})
}

func TestAFaultOfADoorOrADeviceNamesFileLineAndField(t *testing.T) {
	try(t, []fault{
		{
			"door to nowhere",
			"to: metz-hall",
			"to: metz-hal",
			[]string{`19: doors[0].to: there is no space "metz-hal"; did you mean "metz-hall"?`},
		},
		{"door from nowhere", "from: metz-hall", "from: street", []string{`20: doors[1].from: there is no space "street"`}},
		{
			"door to outside",
			"from: outside, to: metz-hall",
			"from: metz-hall, to: outside",
			[]string{"19: doors[0].to: a door must lead to a space: write outside under from"},
		},
		{"door without from", "from: outside, to", "to", []string{"19: doors[0].from: is missing"}},
		{
			"door of two sites",
			"\ndoors:\n",
			"\ndoors:\n  - {id: bridge, from: metz-hall, to: nancy-hall}\n",
			[]string{`19: doors[0].to: "nancy-hall" is in nancy, from is in metz: a door joins spaces of one site`},
		},
		{
			"reader of another site",
			"metz-entrance-in, site: metz",
			"metz-entrance-in, site: nancy",
			[]string{"22: devices[0].site: is nancy, but the door is in metz"},
		},
		{
			"door onto itself",
			"from: metz-hall, to: metz-coworking",
			"from: metz-coworking, to: metz-coworking",
			[]string{`20: doors[1].to: is the same space as from, "metz-coworking"`},
		},
		{
			"reader without door",
			"door: metz-entrance, direction: in",
			"direction: in",
			[]string{"22: devices[0].door: is missing"},
		},
		{
			"reader on no door",
			"door: metz-entrance, direction: in",
			"door: metz-gate, direction: in",
			[]string{`22: devices[0].door: there is no door "metz-gate"`},
		},
		{"reader without direction", ", direction: in", "", []string{"22: devices[0].direction: is missing"}},
		{
			"reader with a wrong direction",
			"direction: in",
			"direction: inside",
			[]string{`22: devices[0].direction: "inside" is not known: it must be one of in out`},
		},
		{
			"reader in a space",
			"direction: in",
			"direction: in, space: metz-hall",
			[]string{"22: devices[0].space: must not be set here: a reader is on a door"},
		},
		{
			"contact with a direction",
			"kind: reader, door: metz-entrance, direction: in",
			"kind: door-contact, door: metz-entrance, direction: in",
			[]string{"22: devices[0].direction: must not be set here: only a reader has a direction"},
		},
		{
			"sensor without space",
			"space: metz-coworking, hold_seconds: 1800",
			"hold_seconds: 1800",
			[]string{"25: devices[3].space: is missing"},
		},
		{
			"sensor in no space",
			"space: metz-coworking, hold",
			"space: metz-cowork, hold",
			[]string{`25: devices[3].space: there is no space "metz-cowork"`},
		},
		{
			"sensor on a door",
			"space: metz-coworking, hold",
			"space: metz-coworking, door: metz-entrance, hold",
			[]string{"25: devices[3].door: must not be set here: such a sensor must have a space"},
		},
		{
			"gateway on a door",
			"kind: gateway",
			"kind: gateway, door: metz-entrance",
			[]string{"27: devices[5].door: must not be set here: a gateway serves its whole site"},
		},
		{
			"unknown site",
			"metz-gateway, site: metz",
			"metz-gateway, site: metzz",
			[]string{`27: devices[5].site: there is no site "metzz"; did you mean "metz"?`},
		},
		{"no site", "metz-gateway, site: metz", "metz-gateway", []string{"27: devices[5].site: is missing"}},
		{
			"wrong kind",
			"kind: gateway",
			"kind: router",
			[]string{
				`27: devices[5].kind: "router" is not known: it must be one of reader door-contact people-counter flow-counter occupancy desk air gateway`,
			},
		},
		{"reserved id", "id: metz-gateway", "id: live", []string{`27: devices[5].id: "live" is reserved`}},
		{"the tokens' username", "id: metz-gateway", "id: token", []string{`27: devices[5].id: "token" is reserved`}},
		{
			"duplicate id",
			"id: metz-gateway",
			"id: metz-desk-7",
			[]string{`27: devices[5].id: "metz-desk-7" is already the id in line 26`},
		},
		{"hold of nothing", "hold_seconds: 1800", "hold_seconds: 0", []string{"25: devices[3].hold_seconds: is less than 1"}},
		{
			"hold for ever",
			"hold_seconds: 1800",
			"hold_seconds: 99999999",
			[]string{"25: devices[3].hold_seconds: is more than 2678400"},
		},
		{
			"a disabled sensor",
			"hold_seconds: 1800",
			"disabled: true",
			[]string{"25: devices[3].disabled: only a reader can be disabled"},
		},
		{
			"disabled in words",
			"direction: in",
			"direction: in, disabled: sometimes",
			[]string{"22: devices[0].disabled: must be true or false"},
		},
		{
			"unknown adapter",
			"adapter: zigbee2mqtt",
			"adapter: zigbee",
			[]string{
				`26: devices[4].adapter: "zigbee" is not known: it must be one of zigbee2mqtt chirpstack-v4 ttn-v3 shelly-gen2 tasmota esphome esp-rfid uhppoted json`,
			},
		},
		{
			"adapter without address",
			`, address: "zigbee2mqtt/metz desk 7"`,
			"",
			[]string{"26: devices[4].address: is missing: the adapter zigbee2mqtt needs it to know the device's topic"},
		},
		{
			"address without adapter",
			"adapter: zigbee2mqtt, ",
			"",
			[]string{"26: devices[4].adapter: is missing: address and settings are for devices with an adapter"},
		},
		{
			"settings are no mapping",
			"adapter: zigbee2mqtt",
			"adapter: zigbee2mqtt, settings: [a]",
			[]string{"26: devices[4].settings: is not a mapping of names to texts"},
		},
		{
			"a setting is a list",
			"adapter: zigbee2mqtt",
			"adapter: zigbee2mqtt, settings: {occupied: [1, 2]}",
			[]string{"26: devices[4].settings.occupied: is not a text"},
		},
		{
			"map of another adapter",
			"adapter: zigbee2mqtt",
			"adapter: zigbee2mqtt, map: {count: $.n}",
			[]string{"26: devices[4].map: is for the adapter json only"},
		},
	})
}
