package keysync

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

type schema struct {
	Type                 any // a string, or an array of them
	Required             []string
	AdditionalProperties json.RawMessage
	Properties           map[string]schema
	Items                *schema
	Pattern              string
	MaxItems             int
	Maximum              uint64
	MaxLength            int
	Enum                 []string
	Ref                  string            `json:"$ref"`
	Defs                 map[string]schema `json:"$defs"`
}

func readSchema(t *testing.T, name string) (s schema) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", "schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-code +schema)\n%s", what, d)
	}
}

// The published schemas say what the code does.
func TestRecordSchema(t *testing.T) {
	s := readSchema(t, "record.json")
	names := map[string]bool{}
	for _, f := range fields[1:] {
		names[f.name] = true
	}
	inSchema := map[string]bool{}
	for name := range s.Properties {
		inSchema[name] = true
	}
	check(t, "fields", inSchema, names)
	check(t, "required", s.Required, []string{fieldKeyID})
	check(t, "others", string(s.AdditionalProperties), "false")
	check(t, "mode", s.Properties["mode"].Enum, []string{ModeLive, ModeTest})
	check(t, "scope", s.Properties["scopes"].Items.Pattern, scopeForm.String())
	check(t, "identifier", s.Defs["identifier"].Pattern, identifierForm.String())
	check(t, "text", s.Defs["text"].MaxLength, maxText)
	var limit schema
	if err := json.Unmarshal(s.Properties["limits"].AdditionalProperties, &limit); err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(limit.Pattern)
	for _, rate := range []string{"1/1s", "100/1m", "5/500ms", "999999999/1h", "1/366d", "", "0/1m", "01/1m", "1/0s", "100", "100/m", "1/1.5s", "1000000000/1m", "1/1000000s", "1/1w", " 1/1s", "-1/1s"} {
		_, err := config.ParseRate(rate)
		check(t, "rate "+rate, pattern.MatchString(rate), err == nil)
	}
	check(t, "time", s.Defs["time"].Type, any([]any{"string", "null"}))
	for _, name := range []string{"created_at", "not_before", "expires_at", "revoked_at"} {
		check(t, name, s.Properties[name].Ref, "#/$defs/time")
	}
}
