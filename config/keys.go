package config

import (
	"encoding/json"
	"errors"
)

// defaultSource is the source if the app names none.
const defaultSource = "file"

var errKeysForm = errors.New("keys: must be an object with the name of a source")

// readKeys returns the settings of the source, and its name.
func readKeys(raw json.RawMessage) (settings map[string]json.RawMessage, source string, err error) {
	if len(raw) > 0 && json.Unmarshal(raw, &settings) != nil {
		return nil, "", errKeysForm
	}
	name, ok := settings["source"]
	if !ok {
		return settings, defaultSource, nil
	}
	if json.Unmarshal(name, &source) != nil || source == "" {
		return nil, "", errKeysForm
	}
	return settings, source, nil
}

// Source returns the name of the source.
func (a *App) Source() (string, error) {
	_, source, err := readKeys(a.Keys)
	return source, err
}

// setDefaultSource names the source if the settings do not.
func (a *App) setDefaultSource() {
	settings, source, err := readKeys(a.Keys)
	if err != nil || settings["source"] != nil {
		return
	}
	if settings == nil {
		settings = make(map[string]json.RawMessage)
	}
	settings["source"], _ = json.Marshal(source)
	a.Keys, _ = json.Marshal(settings)
}
