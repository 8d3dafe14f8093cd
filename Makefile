# The commands of this project. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: release snapshot page page-bench screenshots pages worlds help build test race lint fuzz integration faults network nats postgres cluster full api bench accuracy demo ci

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

build: ## the binary, in bin/
	go build -trimpath -o bin/totem ./cmd/totem

test: ## the tests that need nothing but Go
	go test ./...

race: ## the same under the race detector
	go test -race ./...

lint: ## format, vet, golangci-lint
	test -z "$$(gofmt -l .)"
	go vet ./...
	golangci-lint run

fuzz: ## every fuzz test for a short while; FUZZTIME=1m for longer
	./.ci/fuzz $(or $(FUZZTIME),10s)

integration: ## with real Mosquitto, InfluxDB, PostgreSQL and Chromium, started by the tests
	TOTEM_TEST_MOSQUITTO=1 TOTEM_TEST_INFLUX=1 TOTEM_TEST_POSTGRES=1 TOTEM_TEST_CHROMIUM=1 go test -count=1 ./...
	./.ci/demo

faults: ## the faults of docs/reliability.md, under load
	./.ci/faults

network: ## a bad network between devices, broker, Totem and InfluxDB (Toxiproxy)
	./.ci/network

postgres: ## whole services over a real PostgreSQL
	./.ci/postgres

cluster: ## machines that wait take over for ten minutes, under load; FOR=30m for longer
	TOTEM_TEST_POSTGRES=1 TOTEM_TEST_MOSQUITTO=1 TOTEM_TEST_NATS=1 TOTEM_TEST_CLUSTER=$(or $(FOR),10m) go test -count=1 -timeout 3h -v -run TestAnotherMachine ./internal/app

nats: ## a cluster of three NATS servers as the broker, its nodes killed under load
	./.ci/nats

api: ## every operation of the OpenAPI document, held to it (Schemathesis)
	./.ci/api

page: ## the page, from its sources; TOTEM is a running service (default: 127.0.0.1:8080), whose OpenAPI document it takes
	cd dashboards/web && npm ci --no-audit --no-fund && curl -fsS http://$(or $(TOTEM),127.0.0.1:8080)/openapi.json | jq -S "del(.info.version)" >openapi.json && npm run types && npm run check && npm run build

screenshots: ## a picture of each view, in docs/screens
	./.ci/page --shots docs/screens

page-bench: ## what the page costs left open under ten times the traffic; MINUTES=60 for the hour
	./.ci/page --bench $(or $(MINUTES),2)

pages: ## every view, role, language, size and light in Chromium
	./.ci/page --all

worlds: ## random buildings whose past is told otherwise, told twice; WORLDS=10000, about 20 minutes
	TOTEM_WORLDS=$(or $(WORLDS),10000) go test -count=1 -timeout 3h ./internal/app -run RandomWorlds

full: ## what is too long for CI: faults three times, all of it under the race detector, every fuzz test for a minute, isolation of the doors
	./.ci/faults 3
	$(MAKE) race
	./.ci/fuzz 1m
	./.ci/api 100
	./.ci/deb
	./.ci/walk
	./.ci/page --all
	$(MAKE) worlds
	$(MAKE) cluster
	go run ./cmd/totem bench --only isolation

bench: ## what this machine does, against its floors
	go run ./cmd/totem bench

accuracy: ## a month of simulated life, faults and all, beside what really happened
	go run ./cmd/totem accuracy

release: ## archives, checksums and an SBOM of a tagged commit, in dist/
	goreleaser release --clean

snapshot: ## the same of the present state, to look at
	goreleaser check && goreleaser release --snapshot --clean

demo: ## four simulated buildings
	go run ./cmd/totem demo

ci: ## all that CI runs
	./.ci/run
