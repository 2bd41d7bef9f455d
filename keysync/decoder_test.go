package keysync

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const fullRecord = `{
	"key_id": "key_1",
	"account": "acme",
	"mode": "test",
	"env": "production",
	"scopes": ["events:write", "events:read"],
	"resources": {"project": ["p1", "p2"], "datasource": ["*"]},
	"limits": {"key": "100/1m"},
	"created_at": "2026-01-02T03:04:05Z",
	"not_before": "2026-01-02T03:04:05.678Z",
	"expires_at": "2027-01-02T05:04:05+02:00",
	"revoked_at": "2026-06-01T00:00:00Z",
	"successor": "key_2"
}`

func TestParseRecord(t *testing.T) {
	want := &Record{
		KeyID: "key_1", Account: "acme", Mode: "test", Env: "production",
		Scopes:    []string{"events:write", "events:read"},
		Resources: map[string][]string{"project": {"p1", "p2"}, "datasource": {"*"}},
		Limits:    map[string]string{"key": "100/1m"},
		CreatedAt: MomentOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		NotBefore: MomentOf(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)),
		ExpiresAt: MomentOf(time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)),
		RevokedAt: MomentOf(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)),
		Successor: "key_2",
	}
	got, err := ParseRecord([]byte(fullRecord))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got.ExpiresAt.Time().Location() != time.UTC {
		t.Error("times are not kept in UTC")
	}
}

func TestParseRecordDefaults(t *testing.T) {
	for _, in := range []string{
		`{"key_id":"k"}`,
		" {\t\"key_id\" :\r\n\"k\" } ",
		`{"key\u005fid":"\u006b"}`,
	} {
		got, err := ParseRecord([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if d := cmp.Diff(&Record{KeyID: "k", Mode: ModeLive}, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", in, d)
		}
	}
}

// A time that is null is not set, as when it is left out; nothing else may be null.
func TestParseRecordTimeNull(t *testing.T) {
	for _, f := range fields[1:] {
		rec, err := ParseRecord([]byte(with(`"` + f.name + `":null`)))
		isTime := f.name == "not_before" || strings.HasSuffix(f.name, "_at")
		if (err == nil) != isTime {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if d := cmp.Diff(&Record{KeyID: "k", Mode: ModeLive}, rec); isTime && d != "" {
			t.Errorf("%s: (-want +got)\n%s", f.name, d)
		}
	}
}

// with returns a record that has one more member.
func with(member string) string { return `{"key_id":"k",` + "\n" + member + `}` }

const (
	plainMessage = `looks like a plaintext key; store its digest: printf %s "$KEY" | sha256sum`
	strayKey     = "iak_live_0123456789ABCDEFGHIJKLMNOPQRSTUV3sRrWn"
)

var malformedRecords = []struct{ name, in, want string }{
	{"not JSON", `{"key_id":}`, `line 1: is not valid JSON: invalid character '}' looking for beginning of value`},
	{"line of a syntax error", "{\"key_id\":\"k\"\n,\n}", `line 3: is not valid JSON: invalid character '}' looking for beginning of object key string`},
	{"empty", ``, `line 1: is not valid JSON: unexpected end of JSON input`},
	{"cut off", "{\n\"key_id\":\"k\"", `line 2: is not valid JSON: unexpected end of JSON input`},
	{"data after it", `{"key_id":"k"}{}`, `line 1: is not valid JSON: invalid character '{' after top-level value`},
	{"not an object", "\n[1]", `line 2: a record must be an object`},
	{"null", `null`, `line 1: a record must be an object`},
	{"not UTF-8", "{\"key_id\":\"k\",\"account\":\"\xff\"}", `line 1: a record must be valid UTF-8`},

	{"no key ID", "\n{\"account\":\"a\"}", `line 2, field "key_id": is missing`},
	{"empty key ID", `{"key_id":""}`, `line 1, field "key_id": must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
	{"long key ID", `{"key_id":"` + strings.Repeat("k", 129) + `"}`, `line 1, field "key_id": must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
	{"key ID with a space", `{"key_id":"a b"}`, `line 1, field "key_id": must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
	{"key ID with a letter beyond ASCII", `{"key_id":"š"}`, `line 1, field "key_id": must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
	{"key ID is a parent folder", `{"key_id":".."}`, `line 1, field "key_id": must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
	{"key ID is a number", `{"key_id":5}`, `line 1, field "key_id": must be a string`},

	{"unknown field", with(`"colour":"red"`), `line 2, field "colour": is not a field of a record`},
	{"field in another case", with(`"Mode":"live"`), `line 2: a field name is not a field of a record`},
	{"unknown field that may be secret", with(`"s3cr3tvalue":1`), `line 2: a field name is not a field of a record`},
	{"long unknown field", with(`"abcdefghijklmnopqrstuvwxyz":1`), `line 2: a field name is not a field of a record`},
	{"digest", with(`"digest":"00"`), `line 2, field "digest": is not a field of a record`},
	{"repeated field", with(`"mode":"live","mode":"live"`), `line 2, field "mode": is given twice`},
	{"repeated field, escaped", with(`"mode":"live","mod\u0065":"live"`), `line 2, field "mode": is given twice`},
	{"repeated key ID", with(`"key_id":"k"`), `line 2, field "key_id": is given twice`},

	{"field key", with(`"key":"abc"`), `line 2, field "key": ` + plainMessage},
	{"field token", with(`"token":"abc"`), `line 2, field "token": ` + plainMessage},
	{"field secret", with(`"secret":"abc"`), `line 2, field "secret": ` + plainMessage},
	{"field api_key", with(`"API_Key":"abc"`), `line 2, field "API_Key": ` + plainMessage},
	{"key as a field name", with(`"` + strayKey + `":1`), `line 2: a field name ` + plainMessage},
	{"key as key ID", `{"key_id":"` + strayKey + `"}`, `line 1, field "key_id": ` + plainMessage},
	{"key as account", with(`"account":"` + strayKey + `"`), `line 2, field "account": ` + plainMessage},
	{"key within text", with(`"env":"Bearer ` + strayKey + `"`), `line 2, field "env": ` + plainMessage},
	{"key as scope", with(`"scopes":["` + strayKey + `"]`), `line 2, field "scopes": has an element that ` + plainMessage},
	{"key as resource name", with(`"resources":{"` + strayKey + `":[]}`), `line 2, field "resources": has a name that ` + plainMessage},
	{"key as resource value", with(`"resources":{"p":["` + strayKey + `"]}`), `line 2, field "resources": has a value that has an element that ` + plainMessage},
	{"key as limit", with(`"limits":{"key":"` + strayKey + `"}`), `line 2, field "limits": has a value that ` + plainMessage},
	{"key as mode", with(`"mode":"iak_x"`), `line 2, field "mode": ` + plainMessage},
	{"key as time", with(`"created_at":"iak_x"`), `line 2, field "created_at": ` + plainMessage},
	{"escaped key", with(`"account":"\u0069ak_x"`), `line 2, field "account": ` + plainMessage},

	{"account null", with(`"account":null`), `line 2, field "account": must be a string`},
	{"account empty", with(`"account":""`), `line 2, field "account": must have 1 to 256 bytes`},
	{"account long", with(`"account":"` + strings.Repeat("a", 257) + `"`), `line 2, field "account": must have 1 to 256 bytes`},
	{"account with a line end", with(`"account":"a\nb"`), `line 2, field "account": must have printable characters only`},
	{"account with a lone surrogate", with(`"account":"\ud800"`), `line 2, field "account": must have printable characters only`},
	{"account with an invisible character", with(`"account":"a\u200bb"`), `line 2, field "account": must have printable characters only`},
	{"mode unknown", with(`"mode":"prod"`), `line 2, field "mode": must be live or test`},
	{"mode is a number", with(`"mode":1`), `line 2, field "mode": must be a string`},
	{"env is an object", with(`"env":{}`), `line 2, field "env": must be a string`},

	{"scopes is a string", with(`"scopes":"a b"`), `line 2, field "scopes": must be an array of strings`},
	{"scope with a space", with(`"scopes":["a b"]`), `line 2, field "scopes": has an element that must be a scope (RFC 6749, section 3.3), without spaces and quotes`},
	{"scope with a quote", with(`"scopes":["a\"b"]`), `line 2, field "scopes": has an element that must be a scope (RFC 6749, section 3.3), without spaces and quotes`},
	{"scope is null", with(`"scopes":["a",null]`), `line 2, field "scopes": has an element that must be a string`},
	{"resources is an array", with(`"resources":[]`), `line 2, field "resources": must be an object`},
	{"resource is a string", with(`"resources":{"p":"p1"}`), `line 2, field "resources": has a value that must be an array of strings`},
	{"resource twice", with(`"resources":{"p":[],"p":[]}`), `line 2, field "resources": has a name that is given twice`},
	{"resource name empty", with(`"resources":{"":[]}`), `line 2, field "resources": has a name that must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
	{"limits is a string", with(`"limits":"100/1m"`), `line 2, field "limits": must be an object`},
	{"limit is a number", with(`"limits":{"key":100}`), `line 2, field "limits": has a value that must be a string`},

	{"limit is no rate", with(`"limits":{"key":"100"}`), `line 2, field "limits": has a value that must be a rate such as 100/1m`},
	{"limit of zero", with(`"limits":{"key":"0/1m"}`), `line 2, field "limits": has a value that must be a rate such as 100/1m`},

	{"time without zone", with(`"expires_at":"2026-01-01T00:00:00"`), `line 2, field "expires_at": must be a time such as 2026-01-31T12:00:00Z (RFC 3339)`},
	{"date alone", with(`"not_before":"2026-01-01"`), `line 2, field "not_before": must be a time such as 2026-01-31T12:00:00Z (RFC 3339)`},
	{"time as Unix seconds", with(`"revoked_at":1767225600`), `line 2, field "revoked_at": must be a string`},
	{"time zero", with(`"revoked_at":"0001-01-01T00:00:00Z"`), `line 2, field "revoked_at": must be a time such as 2026-01-31T12:00:00Z (RFC 3339)`},
	{"impossible day", with(`"created_at":"2026-02-30T00:00:00Z"`), `line 2, field "created_at": must be a time such as 2026-01-31T12:00:00Z (RFC 3339)`},
	{"expires before it begins", with(`"not_before":"2026-01-02T00:00:00Z","expires_at":"2026-01-02T00:00:00Z"`), `line 1, field "expires_at": must be later than not_before`},
	{"time null twice", with(`"expires_at":null,"expires_at":null`), `line 2, field "expires_at": is given twice`},
	{"time false", with(`"expires_at":false`), `line 2, field "expires_at": must be a string`},
	{"successor", with(`"successor":""`), `line 2, field "successor": must have 1 to 128 letters, digits and "._:-", a letter or digit first`},
}

func TestParseRecordErrors(t *testing.T) {
	for _, tt := range malformedRecords {
		t.Run(tt.name, func(t *testing.T) {
			rec, err := ParseRecord([]byte(tt.in))
			if err == nil {
				t.Fatalf("accepted as %+v", rec)
			}
			if err.Error() != tt.want {
				t.Errorf("error\n%s\nwant\n%s", err, tt.want)
			}
			if _, ok := errors.AsType[*RecordError](err); !ok {
				t.Errorf("error is a %T", err)
			}
		})
	}
}

// What a RecordParser shares is equal to what ParseRecord makes, and bounded.
func TestRecordParser(t *testing.T) {
	var p RecordParser
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2 * parserPool {
				in := fmt.Appendf(nil, `{"key_id":"k%[1]d","account":"a","scopes":["s","s%[1]d"],"resources":{"p":["p%[1]d"]},"limits":{"key":"%[1]d/1m"}}`, i%(parserPool+9)+1)
				got, err := p.Parse(in)
				want, wantErr := ParseRecord(in)
				if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, error %v, want %+v, error %v", got, err, want, wantErr)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := len(p.decoder.scopes.values); n != parserPool {
		t.Errorf("%d scopes are pooled, want %d", n, parserPool)
	}
	if len(p.decoder.texts.values) > 0 {
		t.Error("accounts are pooled")
	}
	a, errA := p.Parse([]byte(`{"key_id":"a","scopes":["s","s1"]}`))
	b, errB := p.Parse([]byte(`{"key_id":"b","scopes":["s","s1"]}`))
	if errA != nil || errB != nil || &a.Scopes[0] != &b.Scopes[0] {
		t.Error("equal scopes are not shared")
	}
}

// Values come from the pool only to fields with the same rules.
func TestPoolsDoNotMixRules(t *testing.T) {
	dec := newPoolingDecoder(filePool)
	for _, in := range []string{
		`{"key_id":"k","resources":{"p":["a b"]},"account":"100/1m","limits":{"a b":"100/1m"}}`,
		`{"key_id":"k","resources":{"p":["a b"]}}`,
	} {
		if err := dec.record([]byte(in), new(Record), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := dec.record([]byte(`{"key_id":"k","scopes":["a b"]}`), new(Record), nil); err == nil {
		t.Error("a scope with a space was accepted because a resource value has one")
	}
}

// strictRecord reads a record with encoding/json alone.
func strictRecord(b []byte) (*Record, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	rec := &Record{Mode: ModeLive}
	return rec, dec.Decode(rec)
}

// jsonStrings returns every string in the valid start of b, names included.
func jsonStrings(b []byte) (out []string) {
	dec := json.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := dec.Token()
		if err != nil {
			return out
		}
		if s, ok := tok.(string); ok {
			out = append(out, s)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(fullRecord))
	f.Add([]byte(`{"key_id":"k"}`))
	f.Add([]byte(`{"key_id":"k","scopes":["a","b"],"mode":"test"}`))
	f.Add([]byte(`{"key_id":"k","resources":{"p":["\u00e9","b\\\"c"]}}`))
	f.Add([]byte(`{"key_id":"k","key_id":"l"}`))
	f.Add([]byte(`{"key_id":"k","Key_ID":"l"}`))
	f.Add([]byte(`{"key_id":"k","secret_value_x9":"topsecret99"}`))
	f.Add([]byte(`{"key_id":"k","expires_at":null,"not_before":"2026-01-01t00:00:00z"}`))
	f.Add([]byte(`[{"key_id":"k"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := ParseRecord(b)
		if err != nil {
			checkErrorQuotesNothing(t, b, err)
			return
		}
		want, err := strictRecord(b)
		if err != nil {
			t.Fatalf("encoding/json refuses what ParseRecord accepts: %v", err)
		}
		if d := cmp.Diff(want, rec, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("encoding/json reads it differently (-json +ours)\n%s", d)
		}
		out, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRecord(out)
		if err != nil {
			t.Fatalf("own output is refused: %v", err)
		}
		if d := cmp.Diff(rec, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("own output reads differently\n%s", d)
		}
	})
}

func checkErrorQuotesNothing(t *testing.T, b []byte, err error) {
	t.Helper()
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	e, ok := errors.AsType[*RecordError](err)
	if !ok {
		t.Fatalf("error is a %T", err)
	}
	for _, s := range jsonStrings(b) {
		if len(s) < 8 || slices.Contains(names, s) || s == e.Field {
			continue
		}
		if strings.Contains(e.Problem, s) && !strings.Contains(knownTexts, s) {
			t.Fatalf("the error quotes its input: %v", err)
		}
	}
}

// knownTexts is what errors say whatever the input: a string of the input that
// happens to be part of it is no leak.
const knownTexts = `is missing is given twice must be a string must be an array of strings must be an object
looks like a plaintext key; store its digest: printf %s "$KEY" | sha256sum is not a field of a record
is not valid JSON: invalid character looking for beginning of value after top-level value unexpected end of JSON input
must have 1 to 256 bytes must have printable characters only must have 1 to 128 letters, digits and "._:-", a letter or digit first
must be a rate such as 100/1m must be live or test must be a time such as 2026-01-31T12:00:00Z (RFC 3339) must be later than not_before
has an element that has a name that has a value that a record must be valid UTF-8 a field name`
