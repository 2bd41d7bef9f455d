package caddymodule

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseKeys reads `keys NAME …` as the module of the source does.
func parseKeys(d *caddyfile.Dispenser, a *App) error {
	if len(a.Keys) > 0 {
		return d.Err("keys: is given twice")
	}
	if !d.NextArg() || !slices.Contains(sourceNames(), d.Val()) {
		return errKeysSyntax(d)
	}
	name := d.Val()
	settings, err := caddyfile.UnmarshalModule(d, sourceNamespace+"."+name)
	if err != nil {
		return err
	}
	a.Keys, err = keysJSON(name, settings)
	return err
}

// keysJSON returns the settings of a source, with its name in front.
func keysJSON(name string, settings any) (json.RawMessage, error) {
	members, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	keys, err := json.Marshal(struct {
		Source string `json:"source"`
	}{name})
	if err != nil || string(members) == "{}" {
		return keys, err
	}
	return append(append(keys[:len(keys)-1], ','), members[1:]...), nil
}

// errKeysSyntax says how to write a source, and which sources this Caddy has.
func errKeysSyntax(d *caddyfile.Dispenser) error {
	var others strings.Builder
	for _, name := range sourceNames() {
		if name != "file" && name != "vault" {
			others.WriteString(" or `keys " + name + " …`")
		}
	}
	return d.Err("keys: write `keys file PATH` or `keys vault { … }`" + others.String())
}
