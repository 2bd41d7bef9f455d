package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule/logs"
)

const keyA = "canary-AAAA-7f3b9c1d5e"

// everyField has a field of every type, by the name of the type.
var everyField = []zapcore.Field{
	zap.Strings("array", []string{"a", "b"}), zap.Dict("object", zap.Int("a", 1)), zap.Binary("binary", []byte("ab")),
	zap.ByteString("bytes", []byte("ab")), zap.Reflect("reflected", map[string]any{"a": []int{1}}), zap.Bool("bool", true),
	zap.Complex128("complex128", 1i), zap.Complex64("complex64", 2i), zap.Duration("duration", time.Second),
	zap.Float64("float64", 1.5), zap.Float32("float32", 2.5), zap.Int("int", -1), zap.Int64("int64", -2), zap.Int32("int32", -3),
	zap.Int16("int16", -4), zap.Int8("int8", -5), zap.String("string", "a"), zap.Time("time", time.Unix(1, 0).UTC()),
	zap.Uint("uint", 1), zap.Uint64("uint64", 2), zap.Uint32("uint32", 3), zap.Uint16("uint16", 4), zap.Uint8("uint8", 5),
	zap.Uintptr("uintptr", 6), zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: httptest.NewRequest(http.MethodGet, "/a?b=c", nil)}),
}

// The context of a logger is written as Caddy's own encoder writes it, wherever it was added.
func TestContextOfLoggers(t *testing.T) {
	clean, want := encoders(t)
	for name, use := range map[string]func(*zap.Logger){
		"none":  func(l *zap.Logger) { l.Info("m", everyField...) },
		"all":   func(l *zap.Logger) { l.With(everyField...).Info("m") },
		"twice": func(l *zap.Logger) { l.With(everyField...).With(everyField[:9]...).Info("m", everyField[9:]...) },
		"each": func(l *zap.Logger) {
			for _, f := range everyField {
				l = l.With(f)
			}
			l.Info("m")
		},
		"namespace": func(l *zap.Logger) {
			l.With(zap.String("a", "b"), zap.Namespace("in"), zap.Int("c", 1)).With(zap.Int("d", 2), zap.Namespace("further")).Info("m", zap.Int("e", 3))
		},
		"replaced": func(l *zap.Logger) {
			l.With(zap.String("a", "old"), zap.Strings("b", []string{"old"})).With(zap.Strings("a", []string{"new"}), zap.String("b", "new")).Info("m")
		},
		"siblings": func(l *zap.Logger) {
			parent := l.With(zap.String("a", "parent"), zap.Int("x", 1), zap.Int("y", 2))
			one, two := parent.With(zap.String("b", "one"), zap.Strings("c", []string{"one"})), parent.With(zap.String("b", "two"))
			one.Info("one")
			two.Info("two")
			parent.Info("parent")
			one.Info("one")
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(written(t, want, use), written(t, clean, use)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Caddy's filter writes the fields of an object past the encoder that it is given for them.
func TestObjectsBehindAFilter(t *testing.T) {
	use := func(l *zap.Logger) {
		l.Info("m", zap.Dict("a", zap.Dict("b", zap.Int("c", 1), zap.String("d", "e")), zap.Bool("f", true)), zap.Int("g", 2))
		l.With(zap.Int("x", 1)).With(zap.Dict("a", zap.Dict("b", zap.String("d", "e")), zap.Bool("f", true))).Info("m")
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	var got [2][]map[string]any
	for i, wrapped := range []string{"json", "redact_keys"} {
		f := &logging.FilterEncoder{WrappedRaw: json.RawMessage(`{"format":"` + wrapped + `"}`)}
		if err := f.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		got[i] = written(t, *f, use)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Error(diff)
	}
}

// No key gets out of the context of a logger.
func TestContextOfLoggersHidesKeys(t *testing.T) {
	clean, want := encoders(t)
	use := func(l *zap.Logger) {
		l = l.With(zap.String("a", "/?apiKey="+keyA), zap.Strings("b", []string{"Bearer " + keyA}), zap.Namespace("in"),
			zap.Binary("c", []byte("token="+keyA)), zap.ByteString("d", []byte("token="+keyA)), zap.Reflect("e", map[string]string{"token": keyA}))
		l.With(zap.Dict("f", zap.String("X-Api-Key", keyA)), zap.String("token", keyA)).Info("apiKey=" + keyA)
	}
	if text := toText(t, written(t, want, use)); strings.Count(text, keyA) != 7 { // one is in base64
		t.Errorf("the test tests less than it should: %s", text)
	}
	if text := toText(t, written(t, clean, use)); strings.Contains(text, keyA) || strings.Count(text, "REDACTED") < 7 {
		t.Error(text)
	}
}

// encoders returns the redact_keys encoder as it is by default, and the one that it wraps.
func encoders(t testing.TB) (clean, wrapped zapcore.Encoder) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	c, w := new(logs.RedactEncoder), new(logging.JSONEncoder)
	for _, p := range []caddy.Provisioner{c, w} {
		if err := p.Provision(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return c, w
}

// written returns the entries that are written by a logger with the encoder, without their
// times.
func written(t *testing.T, enc zapcore.Encoder, use func(*zap.Logger)) (entries []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	use(zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zapcore.DebugLevel)))
	for line := range bytes.Lines(out.Bytes()) {
		var entry map[string]any
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		delete(entry, "ts")
		entries = append(entries, entry)
	}
	return entries
}

func toText(t *testing.T, entries []map[string]any) string {
	t.Helper()
	text, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
