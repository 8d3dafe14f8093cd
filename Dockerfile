# One static binary: no cgo, no shell, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /totem ./cmd/totem && mkdir /data /broker /backups

FROM scratch
USER 65532:65532
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /totem /totem
# Volumes mounted here begin with this owner; a compose file's broker shares the second.
COPY --from=build --chown=65532:65532 /data /data
COPY --from=build --chown=65532:65532 /broker /broker
COPY --from=build --chown=65532:65532 /backups /backups
ENV TOTEM_DATA=/data TOTEM_HTTP=0.0.0.0:8080 TOTEM_MQTT_LISTEN=0.0.0.0:1883
VOLUME /data
EXPOSE 8080 1883
HEALTHCHECK CMD ["/totem", "health"]
ENTRYPOINT ["/totem"]
CMD ["serve"]
