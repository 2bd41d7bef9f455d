package assertion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func validOptions(a Algorithm) Options {
	o := Options{Algorithm: a, Issuer: "gate", Audience: "events", TTL: time.Minute, Rotate: 24 * time.Hour}
	if a == HS256 {
		o.Secret = []byte("0123456789abcdef0123456789abcdef")
	}
	return o
}

func TestOptionsValidate(t *testing.T) {
	tests := []struct {
		name      string
		algorithm Algorithm
		change    func(*Options)
		want      string // part of the error; "" for none
	}{
		{"EdDSA", EdDSA, func(*Options) {}, ""},
		{"ES256", ES256, func(*Options) {}, ""},
		{"HS256", HS256, func(*Options) {}, ""},
		{"HS256 needs no rotate", HS256, func(o *Options) { o.Rotate = 0 }, ""},
		{"rotate equals ttl", EdDSA, func(o *Options) { o.Rotate = o.TTL }, ""},
		{"no issuer", EdDSA, func(o *Options) { o.Issuer = "" }, "issuer"},
		{"no audience", EdDSA, func(o *Options) { o.Audience = "" }, "audience"},
		{"short ttl", EdDSA, func(o *Options) { o.TTL = time.Second - 1 }, "ttl"},
		{"short rotate", ES256, func(o *Options) { o.Rotate = o.TTL - 1 }, "rotate"},
		{"algorithm none", "none", func(*Options) {}, "none"},
		{"algorithm in another case", "eddsa", func(*Options) {}, "eddsa"},
		{"secret of 31 bytes", HS256, func(o *Options) { o.Secret = o.Secret[1:] }, "31 bytes"},
		{"no secret", HS256, func(o *Options) { o.Secret = nil }, "0 bytes"},
		{"secret for EdDSA", EdDSA, func(o *Options) { o.Secret = make([]byte, 32) }, "secret"},
		{"secret for ES256", ES256, func(o *Options) { o.Secret = make([]byte, 32) }, "secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := validOptions(tt.algorithm)
			tt.change(&o)
			err := o.validate()
			if tt.want == "" && err != nil {
				t.Errorf("error %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
		})
	}
}

func TestOptionsDoNotPrintSecret(t *testing.T) {
	o := validOptions(HS256)
	asJSON, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{
		"%v": fmt.Sprintf("%v", o), "%+v": fmt.Sprintf("%+v", o), "%#v": fmt.Sprintf("%#v", o),
		"pointer": fmt.Sprintf("%v", &o), "JSON": string(asJSON),
	} {
		if containsForm(out, o.Secret) {
			t.Errorf("%s shows the secret: %s", name, out)
		}
		if !strings.Contains(out, "HS256") {
			t.Errorf("%s does not show the options: %s", name, out)
		}
	}
}

// containsForm reports whether out contains private bytes in a usual spelling.
func containsForm(out string, private []byte) bool {
	hex := fmt.Sprintf("%x", private)
	decimals := strings.Trim(fmt.Sprint(private), "[]")
	goSyntax := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", private), "[]byte{"), "}")
	for _, form := range []string{string(private), hex, strings.ToUpper(hex), decimals, goSyntax, base64Form(private)} {
		if bytes.Contains([]byte(out), []byte(form)) {
			return true
		}
	}
	return false
}
