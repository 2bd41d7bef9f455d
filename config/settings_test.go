package config

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreValid(t *testing.T) {
	var g Gate
	g.SetDefaults()
	if err := g.Validate(); err != nil {
		t.Errorf("gate: %v", err)
	}
	if len(g.Credentials) != 5 || g.MaxBody != 0 || g.MaxRead() != 1<<20 || g.MaxDecoded != 8<<20 || g.MaxRatio != 100 ||
		g.Conflict != "reject" || g.Strip != "on" || g.Errors != "json" {
		t.Errorf("gate defaults: %+v", g)
	}
	var a App
	a.SetDefaults()
	if err := a.Validate(); err != nil {
		t.Errorf("app: %v", err)
	}
	if string(a.Keys) != `{"source":"file"}` || a.LogCheck != "on" ||
		a.Sign != (Sign{
			Header: "X-Ingest-Identity", Algorithm: "EdDSA", Issuer: "ingest-auth", Audience: "backend",
			TTL: Duration(time.Minute), Rotate: Duration(24 * time.Hour),
		}) {
		t.Errorf("app defaults: %+v", a)
	}
}

// TestCopiesByDefault: keys that are not stripped are kept everywhere.
func TestCopiesByDefault(t *testing.T) {
	for want, settings := range map[string][]Gate{
		"cut":  {{}, {Enforce: "off"}, {Enforce: "off", Strip: "on"}},
		"keep": {{Strip: "off"}, {Strip: "off", Copies: "keep"}},
	} {
		for _, g := range settings {
			g.SetDefaults()
			if err := g.Validate(); err != nil || g.Copies != want {
				t.Errorf("%s, %v, want %s", g.Copies, err, want)
			}
		}
	}
}

func TestZeroValuesAreValid(t *testing.T) {
	if err := new(Gate).Validate(); err != nil {
		t.Errorf("gate: %v", err)
	}
	if err := new(App).Validate(); err != nil {
		t.Errorf("app: %v", err)
	}
}

func TestGateErrors(t *testing.T) {
	for want, g := range map[string]Gate{
		`credential: "trailer" is not one of`:               {Credentials: []Location{{In: "trailer"}}},
		"credential scheme: write `credential b":            {Credentials: []Location{{In: InScheme, Names: []string{"Bearer"}}}},
		`credential scheme: "a b" is not a`:                 {Credentials: []Location{{In: InScheme, Names: []string{"a b"}}}},
		"credential scheme: clients do not send":            {Credentials: []Location{{In: InScheme, Names: []string{"digest"}}}},
		"credential scheme: token is given twice":           {Credentials: []Location{{In: InScheme, Names: []string{"Token"}}, {In: InScheme, Names: []string{"token"}}}},
		"credential scheme: at least one name is":           {Credentials: []Location{{In: InScheme}}},
		"write `credential cookie NAME`":                    {Credentials: []Location{{In: InHeader, Names: []string{"cookie"}}}},
		`credential cookie: "a=b" is not the`:               {Credentials: []Location{{In: InCookie, Names: []string{"a=b"}}}},
		"credential cookie: at least one name is":           {Credentials: []Location{{In: InCookie}}},
		"remove cookie: K is also a place f":                {Credentials: []Location{{In: InCookie, Names: []string{"k"}}}, Remove: []Location{{In: InCookie, Names: []string{"K"}}}},
		`credential header: "a b" is not the na`:            {Credentials: []Location{{In: InHeader, Names: []string{"X-A"}, Param: "a b"}}},
		"only `credential header NAME param":                {Credentials: []Location{{In: InQuery, Names: []string{"a"}, Param: "p"}}},
		"credential header: x-a param p is given":           {Credentials: []Location{{In: InHeader, Names: []string{"X-A", "x-a"}, Param: "p"}}},
		"header X-A param p: X-A is also taken":             {Credentials: []Location{{In: InHeader, Names: []string{"x-a"}}}, Remove: []Location{{In: InHeader, Names: []string{"X-A"}, Param: "p"}}},
		"credential path: at least one name is":             {Credentials: []Location{{In: InPath}}},
		"credential path: path pattern \"a\": mu":           {Credentials: []Location{{In: InPath, Names: []string{"a"}}}},
		"credential path: the path pattern /a/{i":           {Credentials: []Location{{In: InPath, Names: []string{"/a/{id}"}}}},
		"credential path: path pattern \"/{key}/":           {Credentials: []Location{{In: InPath, Names: []string{"/{key}/{key}"}}}},
		"credential bearer: takes no name":                  {Credentials: []Location{{In: InBearer, Names: []string{"x"}}}},
		"credential bearer: is given twice":                 {Credentials: []Location{{In: InBearer}, {In: InBearer}}},
		"credential basic: write":                           {Credentials: []Location{{In: InBasic, Names: []string{"both"}}}},
		"credential header: at least one name":              {Credentials: []Location{{In: InHeader}}},
		`credential header: "a b" is not a`:                 {Credentials: []Location{{In: InHeader, Names: []string{"a b"}}}},
		"is read by `credential bearer`":                    {Credentials: []Location{{In: InHeader, Names: []string{"authorization"}}}},
		"credential query: apikey is given twice":           {Credentials: []Location{{In: InQuery, Names: []string{"apiKey"}}, {In: InQuery, Names: []string{"apikey"}}}},
		"credential body: Token is given twice":             {Credentials: []Location{{In: InBody, Names: []string{"token", "Token"}}}},
		"credential form: a name must not be":               {Credentials: []Location{{In: InForm, Names: []string{""}}}},
		"credential header: host has a meaning":             {Credentials: []Location{{In: InHeader, Names: []string{"host"}}}},
		"K in the query carries a credential and":           {Credentials: []Location{{In: InQuery, Names: []string{"k"}}}, Resources: []Resource{{Name: "p", In: "query", At: "K"}}},
		"error: with `errors caddy`":                        {Errors: "caddy", ErrorBodies: []ErrorBody{{Status: 401}}},
		`conflict: "last" is not one of`:                    {Conflict: "last"},
		`strip: "yes" is not one of`:                        {Strip: "yes"},
		`copies: "drop" is not one of`:                      {Copies: "drop"},
		"copies: cut has no use with `strip off`":           {Copies: "cut", Strip: "off"},
		`mode: "prod" is not one of`:                        {Modes: []string{"prod"}},
		"mode: live is given twice":                         {Modes: []string{"live", "live"}},
		`scope: "a b" is not a name`:                        {Scopes: []Scope{{Names: []string{"a b"}}}},
		"scope: x is given twice":                           {Scopes: []Scope{{Names: []string{"x", "x"}}}},
		"scope: GET x is given twice":                       {Scopes: []Scope{{Method: "GET", Names: []string{"x"}}, {Method: "GET", Names: []string{"x"}}}},
		`scope: "TRACE" is not one of`:                      {Scopes: []Scope{{Method: "TRACE", Names: []string{"x"}}}},
		"scope: write `scope NAME":                          {Scopes: []Scope{{}}},
		"scope: status 401 is not one of 403, 4":            {Scopes: []Scope{{Denial: Denial{Status: 401}, Names: []string{"x"}}}},
		"resource p: status 500 is not one of":              {Resources: []Resource{{Name: "p", In: "query", At: "p", Denial: Denial{Status: 500}}}},
		"resource p: optional: does not work with a path":   {Resources: []Resource{{Name: "p", In: "path", At: "/{p}", Optional: true}}},
		"require_query: \"k\" is given twice":               {RequireQuery: []string{"k", "k"}},
		"require_query: \"K\" is given twice":               {RequireQuery: []string{"k", "K"}},
		"require_query: K is spelled k in a re":             {RequireQuery: []string{"K"}, Resources: []Resource{{Name: "a", In: "query", At: "k"}}},
		"require_query: K carries a credential":             {RequireQuery: []string{"K"}, Credentials: []Location{{In: InQuery, Names: []string{"k"}}}},
		"require: T carries a credential":                   {Require: []Requirement{{Fields: []string{"a"}, In: "T"}}, Credentials: []Location{{In: InBody, Names: []string{"t"}}}},
		"Env and env differ only in upper and lower case":   {Resources: []Resource{{Name: "e", In: "body", At: "env"}, {Name: "f", In: "body", At: "Env"}}},
		"env and ENV differ only in upper and lower case":   {Resources: []Resource{{Name: "e", In: "body", At: "env"}}, Require: []Requirement{{Fields: []string{"ENV"}}}},
		"ROWS and rows differ only in upper and lower case": {Require: []Requirement{{Fields: []string{"a"}, In: "rows"}}, Limits: []Limit{{Rate: Rate{N: 1, Window: 1}, By: []string{"key"}, Cost: CostBodyItems, CostIn: "ROWS"}}},
		`body_shape: "lines" is not one of`:                 {BodyShape: "lines"},
		`enforce: "report" is not one of`:                   {Enforce: "report"},
		`cors: "app.example.com" is not an`:                 {CORS: []Origin{"app.example.com"}},
		`cors: "https://a.example/" is not an`:              {CORS: []Origin{"https://a.example/"}},
		`cors: "https://a.*.com" is not an`:                 {CORS: []Origin{"https://a.*.com"}},
		`cors: "null" is not an`:                            {CORS: []Origin{"null"}},
		"cors: https://a is given twice":                    {CORS: []Origin{"https://a", "https://a"}},
		"cors: * means every origin":                        {CORS: []Origin{"*", "https://a"}},
		"cors: answers preflights itself":                   {CORS: []Origin{"*"}, PassPreflights: true},
		`bind: "all" is not one of`:                         {Bind: "all"},
		`errors: "xml" is not one of`:                       {Errors: "xml"},
		"error: 200 is not a status code":                   {ErrorBodies: []ErrorBody{{Status: 200}}},
		"error 401: is given twice":                         {ErrorBodies: []ErrorBody{{Status: 401}, {Status: 401}}},
		"error 401: \"{}\" is not a content type":           {ErrorBodies: []ErrorBody{{Status: 401, ContentType: "{}"}}},
		"error 401: the content type must be one":           {ErrorBodies: []ErrorBody{{Status: 401, ContentType: "a\r\nb"}}},
		`resource: "" is not a name`:                        {Resources: []Resource{{In: "query", At: "x"}}},
		`resource p: "header" is not one of`:                {Resources: []Resource{{Name: "p", In: "header", At: "x"}}},
		"resource p: write `resource p path":                {Resources: []Resource{{Name: "p", In: "path"}}},
		"has no segment {p}":                                {Resources: []Resource{{Name: "p", In: "path", At: "/a/{q}"}}},
		"resource p: is given twice":                        {Resources: []Resource{{Name: "p", In: "query", At: "a"}, {Name: "p", In: "body", At: "a"}}},
		"resource p: path pattern":                          {Resources: []Resource{{Name: "p", In: "path", At: "{p}"}}},
		"require: write":                                    {Require: []Requirement{{}}},
		"max_body: must be greater than zero":               {MaxBody: -1},
		"max_decoded: must be greater than zero":            {MaxDecoded: -1},
		"max_ratio: must be greater than zero":              {MaxRatio: -1},
	} {
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", g, err, want)
		}
	}
}

func TestAppErrors(t *testing.T) {
	for want, a := range map[string]App{
		"keys: must be an object":             {Keys: json.RawMessage(`["file"]`)},
		`log_check: "maybe" is not one of`:    {LogCheck: "maybe"},
		`sign algorithm: "none" is not one`:   {Sign: Sign{Algorithm: "none"}},
		`sign header: "Authorization" cannot`: {Sign: Sign{Header: "Authorization"}},
		`sign header: "connection" cannot`:    {Sign: Sign{Header: "connection"}},
		`sign header: "Content-Type" cannot`:  {Sign: Sign{Header: "Content-Type"}},
		`sign header: "a b" cannot`:           {Sign: Sign{Header: "a b"}},
		"sign ttl: 1s is too short":           {Sign: Sign{TTL: Duration(time.Second)}},
		"sign rotate: 1s is too short":        {Sign: Sign{Rotate: Duration(time.Second)}},
		"sign secret: is only used with":      {Sign: Sign{Secret: "{env.X}"}},
		"sign secret: must not be in":         {Sign: Sign{Algorithm: "HS256", Secret: "hunter2"}},
	} {
		err := a.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", a, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error shows the secret: %v", err)
		}
	}
}

func TestSource(t *testing.T) {
	for keys, want := range map[string]struct{ source, keys string }{
		"":                               {"file", `{"source":"file"}`},
		"null":                           {"file", `{"source":"file"}`},
		"{}":                             {"file", `{"source":"file"}`},
		`{"file":"k.json"}`:              {"file", `{"file":"k.json","source":"file"}`},
		`{"source":"vault"}`:             {"vault", `{"source":"vault"}`},
		`{"source":"sqlite","path":"k"}`: {"sqlite", `{"source":"sqlite","path":"k"}`},
		`{"source":null}`:                {"", ""},
		`{"source":""}`:                  {"", ""},
		`{"source":["file"]}`:            {"", ""},
		`"file"`:                         {"", ""},
	} {
		a := App{Keys: json.RawMessage(keys)}
		source, err := a.Source()
		if source != want.source || (err == nil) != (want.source != "") {
			t.Errorf("%s: source %q, %v", keys, source, err)
		}
		if a.SetDefaults(); want.keys != "" && string(a.Keys) != want.keys {
			t.Errorf("%s: %s with defaults, want %s", keys, a.Keys, want.keys)
		}
	}
}
