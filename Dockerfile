# syntax=docker/dockerfile:1
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags='-s -w' -o /out/ingest-auth ./cmd/ingest-auth
RUN mkdir /out/data /out/config

FROM gcr.io/distroless/static-debian12:nonroot
LABEL org.opencontainers.image.title="ingest-auth" \
      org.opencontainers.image.description="An API-key gateway in front of event-ingest services" \
      org.opencontainers.image.source="https://github.com/ingestauth/caddy-ingest-auth" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ingest-auth /usr/bin/ingest-auth
# Signing keys are in /data: keep it, or every new container signs with new ones.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/config /config
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
VOLUME /data
USER 65532:65532
EXPOSE 8080 9180
ENTRYPOINT ["/usr/bin/ingest-auth"]
CMD ["run", "--config", "/etc/ingest-auth/Caddyfile"]
