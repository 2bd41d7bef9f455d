package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	httpcaddyfile.RegisterGlobalOption(appID, parseApp)
	httpcaddyfile.RegisterHandlerDirective("ingest_auth", parseGate)
	httpcaddyfile.RegisterHandlerDirective("ingest_auth_jwks", parseJWKS)
	httpcaddyfile.RegisterHandlerDirective("ingest_auth_health", parseHealth)
	// After everything that changes the URI, so that resources in the path are
	// read as the backend sees them, and before everything that acts on the
	// request. Key set and health are public: they come before the gate.
	httpcaddyfile.RegisterDirectiveOrder("ingest_auth_jwks", httpcaddyfile.Before, "basicauth")
	httpcaddyfile.RegisterDirectiveOrder("ingest_auth_health", httpcaddyfile.Before, "basicauth")
	httpcaddyfile.RegisterDirectiveOrder("ingest_auth", httpcaddyfile.Before, "basicauth")
}

// subdirectives maps the name of a subdirective to the function that reads its arguments.
// The dispenser is at the name.
type subdirectives map[string]func(d *caddyfile.Dispenser) error

// parse reads a block. After every subdirective all settings so far are
// validated, so that an error names the line with the mistake.
func (s subdirectives) parse(d *caddyfile.Dispenser, block string, validate func() error) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		read, ok := s[d.Val()]
		if !ok {
			return d.Errf("%s: unknown subdirective %q; %s", block, d.Val(), s.instead(block, d.Val()))
		}
		if word := wordWithComma(d); word != "" {
			return d.Errf("%s: %q ends in a comma; write spaces between values, and quotes around one that has a comma", d.Val(), word)
		}
		if err := read(d); err != nil {
			return err
		}
		if err := validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// wordWithComma returns the first argument on the line that ends in a comma and is not in
// quotes. As a name it would match nothing, and nobody would see why.
func wordWithComma(d *caddyfile.Dispenser) string {
	for line := *d; line.NextArg(); {
		if word := line.Token(); !word.Quoted() && strings.HasSuffix(word.Text, ",") {
			return word.Text
		}
	}
	return ""
}

// The names in errors of the two ingest_auth blocks.
const (
	globalBlock = "global option ingest_auth"
	gateBlock   = "directive ingest_auth"
)

// instead says what to write instead of a name that a block does not know. People easily
// write a setting into the wrong one of the two ingest_auth blocks.
func (s subdirectives) instead(block, name string) string {
	switch {
	case name == "redact_keys":
		return "write `format redact_keys` into a block `log`"
	case block == gateBlock && new(App).subdirectives()[name] != nil:
		return "it belongs in the global option `ingest_auth`, in the braces at the top of the Caddyfile"
	case block == globalBlock && new(Gate).subdirectives()[name] != nil:
		return "it belongs in the directive `ingest_auth` of a site"
	}
	return "use one of " + strings.Join(slices.Sorted(maps.Keys(s)), ", ")
}

// stringArg returns a reader for a subdirective with exactly one argument.
func stringArg(to *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if *to != "" {
			return d.Errf("%s: is given twice", name)
		}
		if !d.AllArgs(to) || *to == "" {
			return d.Errf("%s: takes one argument", name)
		}
		return nil
	}
}

// clientCertArgs returns a reader for the files of a certificate and its key.
func clientCertArgs(cert, key *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if *cert != "" {
			return d.Err("client_cert: is given twice")
		}
		if !d.AllArgs(cert, key) {
			return d.Err("client_cert: write the certificate and its key, `client_cert CERT KEY`")
		}
		return nil
	}
}

// parsedArg returns a reader for one argument in a small language.
func parsedArg[T comparable](to *T, parse func(string) (T, error)) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name, args := d.Val(), d.RemainingArgs()
		text := strings.Join(args, " ")
		var zero T
		if *to != zero {
			return d.Errf("%s: is given twice", name)
		}
		v, err := parse(text)
		if err != nil {
			return d.Errf("%s: %w", name, err)
		}
		if len(args) != 1 {
			return d.Errf("%s: takes one argument; write it without spaces", name)
		}
		if v == zero {
			return d.Errf("%s: must be greater than zero", name)
		}
		*to = v
		return nil
	}
}

// listArg returns a reader for a subdirective with one or more arguments, which
// may be repeated.
func listArg(to *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name, args := d.Val(), d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("%s: takes one or more arguments", name)
		}
		*to = append(*to, args...)
		return nil
	}
}

// flag returns a reader for a subdirective without arguments.
func flag(to *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if d.NextArg() {
			return d.Errf("%s: takes no argument", name)
		}
		*to = true
		return nil
	}
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number; write something like 100", s)
	}
	return n, nil
}

// alternatives returns names as people list them.
func alternatives(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
