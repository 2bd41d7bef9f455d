package keyscli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	// maxKey is the longest key that a gate accepts, in bytes.
	maxKey = 4096

	// maxLine is far more than any key with its record needs, in bytes.
	maxLine = 1 << 20
)

// isObject tells whether a line is a JSON object rather than a key.
func isObject(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(line), []byte("{"))
}

// readKeyLine reads a line that is a key, or a JSON object with the key in it, and
// returns the key and the other members. In JSON a key can contain everything that a gate
// accepts, also line ends.
func readKeyLine(line []byte) (key string, fields map[string]json.RawMessage, err error) {
	if key = string(line); isObject(line) {
		if key, fields, err = readObject(line); err != nil {
			return "", nil, err
		}
	}
	return key, fields, checkKey(key)
}

func readObject(line []byte) (key string, fields map[string]json.RawMessage, err error) {
	if !utf8.Valid(line) || !json.Valid(line) {
		return "", nil, errors.New("begins like a JSON object but is not valid JSON; if the key itself begins with {, write it in a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return "", nil, errors.New("is not valid JSON")
	}
	fields = make(map[string]json.RawMessage)
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return "", nil, errors.New("is not valid JSON")
		}
		text, _ := name.(string)
		if _, ok := fields[text]; ok {
			return "", nil, errors.New("a member is given twice")
		}
		fields[text] = value
	}
	raw, ok := fields["key"]
	if !ok {
		return "", nil, errors.New(`the member "key" is missing`)
	}
	if raw[0] != '"' || json.Unmarshal(raw, &key) != nil {
		return "", nil, errors.New(`the member "key" must be a string`)
	}
	delete(fields, "key")
	return key, fields, nil
}

// checkKey says why a gate would not accept the key, without quoting it.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("no key")
	case !utf8.ValidString(key):
		return errors.New("the key is not valid UTF-8")
	case len(key) > maxKey:
		return fmt.Errorf("the key has more than %d bytes; gates refuse it", maxKey)
	case keysync.CheckKey([]byte(key)) == keysync.KeyDamaged:
		return errDamaged
	}
	return nil
}

var errDamaged = errors.New("the key begins with iak_ but its checksum is wrong: a character is missing, added or wrong")

// checkAgainst refuses a record that contains its key, or contradicts it. A very short
// key is in most records by chance, so it is not searched for.
func checkAgainst(key string, rec *keysync.Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return errors.New("encoding the record failed")
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return errors.New("encoding the key failed")
	}
	if utf8.RuneCountInString(key) >= minKey && bytes.Contains(b, quoted[1:len(quoted)-1]) {
		return errors.New("a field of the record contains the key; records are not secret")
	}
	if keysync.CheckKey([]byte(key)) == keysync.KeyWellFormed && !strings.HasPrefix(key, "iak_"+rec.Mode+"_") {
		return fmt.Errorf("the key has another mode than its record, which is %s; give the mode in the line or with --mode", rec.Mode)
	}
	return nil
}
