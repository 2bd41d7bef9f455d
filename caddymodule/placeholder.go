package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// resolve returns what a placeholder for a secret stands for. The setting is named in errors,
// the value is not.
func resolve(setting, placeholder string) (string, error) {
	value, err := caddy.NewReplacer().ReplaceOrErr(placeholder, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: resolving %s: it has no value; set the environment variable, or write the file and make it readable", setting, placeholder)
	}
	return value, nil
}
