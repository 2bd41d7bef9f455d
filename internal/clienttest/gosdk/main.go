// Gosdk sends two events with a client for Go as it comes: gosdk CLIENT URL EVENT EVENT,
// with the key in KEY.
// It ends when the client says that it has sent them; a refusal is printed.
package main

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"os"
	"time"

	"github.com/getsentry/sentry-go"
	"github.com/posthog/posthog-go"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var clients = map[string]func(base, key string, events []string) error{
	"posthog-go":    sendPostHog,
	"sentry-go":     sendSentry,
	"otlptracehttp": sendOTLP,
}

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: KEY=… gosdk CLIENT URL EVENT…")
	}
	send, ok := clients[os.Args[1]]
	if !ok {
		log.Fatalf("no client %q", os.Args[1])
	}
	if err := send(os.Args[2], os.Getenv("KEY"), os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func sendPostHog(base, key string, events []string) error {
	client, err := posthog.NewWithConfig(key, posthog.Config{Endpoint: base})
	if err != nil {
		return err
	}
	for _, event := range events {
		if err := client.Enqueue(posthog.Capture{DistinctId: "user", Event: event, Properties: posthog.NewProperties().Set("plan", "ü")}); err != nil {
			return err
		}
	}
	return client.Close()
}

func sendSentry(base, key string, events []string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	u.User, u.Path = url.User(key), "/42"
	if err := sentry.Init(sentry.ClientOptions{Dsn: u.String()}); err != nil {
		return err
	}
	for _, event := range events {
		sentry.CaptureMessage(event)
	}
	if !sentry.Flush(5 * time.Second) {
		return fmt.Errorf("not sent")
	}
	return nil
}

func sendOTLP(base, key string, events []string) error {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"),
		otlptracehttp.WithHeaders(map[string]string{"x-api-key": key}))
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	for _, event := range events {
		_, span := provider.Tracer("test").Start(ctx, event)
		span.End()
	}
	return provider.Shutdown(ctx)
}
