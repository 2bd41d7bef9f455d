package gate

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Options are what a gate is made of. All except Events and Counters are required.
type Options struct {
	// Settings must be valid and have their defaults.
	Settings config.Gate

	// Guesses says that no location is configured: then only a value with a record is a
	// key.
	Guesses bool

	// Header is the name of the header that carries the assertion.
	Header string

	Source keysync.Getter
	Signer *assertion.Signer

	// HalfLife is how long an assertion is reused.
	HalfLife time.Duration

	// Budget is how much memory the bodies of all gates may use.
	Budget *body.Budget

	// Counters are required if the gate limits anything.
	Counters Counters

	// Names are the names of places for keys. Everything that people see is cleaned with
	// them. The gate adds its own.
	Names *redact.Names

	Meter  Meter
	Flow   *flow.Recorder
	Events *flow.Events // nil to keep none
	Host   Host
	Log    *zap.Logger
}

// Counters are where limits count.
type Counters struct {
	Requests limit.Counters
	Failures *limit.Memory // of authentication; separate, so that strangers displace only each other
	InFlight *limit.InFlight
}

// New returns a gate.
func New(o Options) (*Gate, error) {
	s := &o.Settings
	g := &Gate{
		settings: *s, words: wordsOf(s), host: o.Host, log: o.Log,
		header: o.Header, scheme: challengeScheme(s.Credentials), source: o.Source, signer: o.Signer, halfLife: o.HalfLife,
		guesses: o.Guesses, identities: newIdentityCache(),
		reading: body.Limits{Body: int64(s.MaxRead()), Decoded: int64(s.MaxDecoded), Ratio: s.MaxRatio, Budget: o.Budget},
		names:   o.Names, meter: o.Meter, flow: o.Flow, events: o.Events,
	}
	if err := g.makeFinders(); err != nil {
		return nil, err
	}
	for _, l := range slices.Concat(s.Credentials, s.Remove) {
		o.Names.AddLocation(l)
	}
	for _, b := range s.BodyIn {
		o.Names.AddDocument(b)
	}
	g.limiter = newLimiter(s, &o, g.style, g.finder)
	g.checksJSON = len(s.Require) > 0 || len(g.bodies) > 0 || g.shape != credential.ShapeNone || countsItems(s)
	g.looksAtJSON = g.finder.LooksAtJSON() || g.checksJSON
	if g.enforces {
		return g, nil
	}
	return g, g.onlyReport()
}

// onlyReport puts the gate into report mode. If credentials stay, the only header that it
// forbids is the identity header.
func (g *Gate) onlyReport() error {
	g.reporter = newReporter(g.log)
	if g.strips {
		return nil
	}
	finder, err := credential.New(credential.Options{Drop: []string{g.header}})
	if err != nil {
		return err
	}
	g.forbidden = finder.IsHeader
	return nil
}

// makeFinders makes the finders that find and remove keys, and that check the rest of the
// request in the same scan.
func (g *Gate) makeFinders() error {
	o := credential.Options{Keep: !g.strips, Concatenated: g.settings.BodyConcatenated == "on"}
	g.guardHeaders(&o)
	for _, l := range g.settings.Credentials {
		o.Find(l)
		g.keysInBody = g.keysInBody || l.Place() == config.PlaceBody
	}
	for _, l := range g.settings.Remove {
		o.Remove.Add(l)
	}
	for _, b := range g.settings.BodyIn {
		o.Documents.Add(b)
	}
	for _, r := range g.settings.Require {
		o.Require = append(o.Require, credential.Requirement{Any: r.Any, Fields: r.Fields, In: r.In})
	}
	for _, r := range g.settings.Resources {
		if err := g.addResource(&o, r); err != nil {
			return err
		}
	}
	o.Batches = batches(&g.settings)
	err := g.compileRequired()
	if err != nil {
		return err
	}
	if g.finder, err = credential.New(o); err != nil {
		return err
	}
	g.forbidden = g.finder.IsHeader
	o.Keep = false
	g.remover, err = credential.New(o)
	return err
}

func (g *Gate) addResource(o *credential.Options, r config.Resource) error {
	switch r.In {
	case "path":
		pattern, err := config.ParsePattern(r.At)
		if err != nil {
			return err
		}
		g.paths = append(g.paths, pathResource{name: r.Name, pattern: pattern})
	case "query":
		param, err := credential.NewParam(r.At)
		if err != nil {
			return err
		}
		g.queries = append(g.queries, queryResource{name: r.Name, param: param, optional: r.Optional})
	case "body":
		o.Resources = append(o.Resources, r.At)
		g.bodies = append(g.bodies, bodyResource{name: r.Name, optional: r.Optional})
	}
	return nil
}

// words are typed values of the settings that are words.
type words struct {
	enforces bool
	strips   bool
	// firstCounts says that the first of two keys counts.
	firstCounts bool
	modes       modeSet
	shape       credential.Shape // that a body must have, ShapeNone for any
	binding     binding
	copies      copiesPolicy
	errors      errorShape
	style       limit.Style
}

// binding is what assertions are bound to in addition to the identity.
type binding uint8

const (
	bindNothing binding = iota
	bindRequest
	bindBody // and the request
)

// errorShape is what error answers look like.
type errorShape uint8

const (
	errorsJSON errorShape = iota
	errorsProblem
	errorsHost // the host answers
)

// wordsOf returns the words of settings that are valid.
func wordsOf(s *config.Gate) words {
	w := words{
		enforces:    s.Enforce != "off",
		strips:      s.Strip != "off",
		firstCounts: s.Conflict == "first",
		modes:       modesOf(s.Modes),
		shape:       map[string]credential.Shape{"object": credential.ShapeObject, "array": credential.ShapeArray}[s.BodyShape],
		binding:     map[string]binding{"request": bindRequest, "body": bindBody}[s.Bind],
		copies:      map[string]copiesPolicy{"refuse": refuseCopies, "keep": keepCopies}[s.Copies],
		errors:      map[string]errorShape{"problem": errorsProblem, "caddy": errorsHost}[s.Errors],
		style:       map[string]limit.Style{"seconds": limit.Seconds, "ietf": limit.IETF, "off": limit.Off}[s.LimitHeaders],
	}
	return w
}
