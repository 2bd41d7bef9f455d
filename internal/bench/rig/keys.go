//go:build linux

package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Records is how many keys a candidate knows.
const Records = 1000

// Keys are the keys that a candidate knows, of which one is used.
type Keys struct {
	Used string
	all  []string
}

// NewKeys makes keys.
func NewKeys() (*Keys, error) {
	k := new(Keys)
	for range Records {
		key, err := keysync.NewKey(keysync.ModeLive)
		if err != nil {
			return nil, err
		}
		k.all = append(k.all, key)
	}
	k.Used = k.all[Records/2]
	return k, nil
}

// WriteFile writes a key file into dir and returns its path.
func (k *Keys) WriteFile(dir string) (string, error) {
	records := make([]map[string]string, len(k.all))
	for i, key := range k.all {
		records[i] = map[string]string{
			"digest": keysync.DigestOf([]byte(key)).String(), "key_id": fmt.Sprint("key_", i), "account": "bench", "mode": keysync.ModeLive,
		}
	}
	content, err := json.Marshal(map[string]any{"keys": records})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "keys.json")
	return path, os.WriteFile(path, content, 0o600)
}
