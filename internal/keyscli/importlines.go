package keyscli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	// minKey is the length in characters below which a key is refused: 16 random
	// hex digits are 64 bits, which is the least that cannot be guessed through a
	// gate.
	minKey = 16

	// maxLine is far more than any key with its record needs, in bytes.
	maxLine = 1 << 20
)

// readKeys reads all lines, so that nothing is stored if one is wrong. Errors
// name the line and never quote it.
func readKeys(r io.Reader, defaults *keysync.Record, idPrefix string) ([]keysync.Entry, error) {
	in, err := newKeyReader(defaults, idPrefix)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if err := in.add(n, lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(in.entries)+1, err)
	}
	if len(in.entries) == 0 {
		return nil, errors.New("there are none on standard input")
	}
	return in.entries, nil
}

// keyReader turns lines into entries.
type keyReader struct {
	defaults map[string]json.RawMessage
	idPrefix string
	entries  []keysync.Entry
	digests  map[keysync.Digest]int // where a digest was first
	keyIDs   map[string]int
}

func newKeyReader(defaults *keysync.Record, idPrefix string) (*keyReader, error) {
	// What is wrong with the flags is no line's fault.
	try := *defaults
	try.KeyID = newKeyID(idPrefix)
	if _, err := checkRecord(&try); err != nil {
		return nil, fmt.Errorf("the flags make no usable record: %w", err)
	}
	in := &keyReader{idPrefix: idPrefix, digests: make(map[keysync.Digest]int), keyIDs: make(map[string]int)}
	b, err := json.Marshal(defaults)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &in.defaults); err != nil {
		return nil, err
	}
	delete(in.defaults, "key_id")
	return in, nil
}

func (in *keyReader) add(n int, line []byte) error {
	if n == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	key, fields := string(line), make(map[string]json.RawMessage)
	if bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) {
		var err error
		if key, fields, err = readLine(line); err != nil {
			return err
		}
	} else if strings.ContainsAny(key, "|,;") {
		return errors.New("looks like several columns: a line is one key, or a JSON object with the key and its record (also if the key is like this)")
	}
	if err := checkKey(key); err != nil {
		return err
	}
	rec, err := in.record(fields)
	if err != nil {
		return err
	}
	if err := checkAgainst(key, rec); err != nil {
		return err
	}
	e := keysync.Entry{Digest: keysync.DigestOf([]byte(key)), Record: rec}
	if first, ok := in.digests[e.Digest]; ok {
		return fmt.Errorf("the key of line %d again", first)
	}
	if first, ok := in.keyIDs[rec.KeyID]; ok {
		return fmt.Errorf("the key_id of line %d again", first)
	}
	in.digests[e.Digest], in.keyIDs[rec.KeyID] = n, n
	in.entries = append(in.entries, e)
	return nil
}

// record fills in what the line does not say.
func (in *keyReader) record(fields map[string]json.RawMessage) (*keysync.Record, error) {
	for name, value := range in.defaults {
		if _, ok := fields[name]; !ok {
			fields[name] = value
		}
	}
	if _, ok := fields["key_id"]; !ok {
		fields["key_id"] = json.RawMessage(`"` + newKeyID(in.idPrefix) + `"`)
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return nil, errors.New("is not valid JSON")
	}
	rec, err := parseRecord(b)
	if err == nil && rec.Account == "" {
		err = errors.New("no account: give it in the line, or for all with --account")
	}
	return rec, err
}

// readLine reads an object into its key and the other members.
func readLine(line []byte) (key string, fields map[string]json.RawMessage, err error) {
	if !utf8.Valid(line) || !json.Valid(line) {
		return "", nil, errors.New("begins like a JSON object and is not valid JSON")
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
			return "", nil, errors.New("a member is there twice")
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

// checkKey says what is wrong with a key, without quoting it.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("no key")
	case !utf8.ValidString(key):
		return errors.New("the key is not valid UTF-8")
	case strings.ContainsFunc(key, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }):
		return errors.New("white space or a control character in the key; write one key a line, or JSON")
	case utf8.RuneCountInString(key) < minKey:
		return fmt.Errorf("the key has fewer than %d characters and could be guessed; replace it by one that `ingest-keys create` makes", minKey)
	case len(key) > maxKey:
		return fmt.Errorf("the key has more than %d bytes; gates refuse it", maxKey)
	case keysync.CheckKey([]byte(key)) == keysync.KeyDamaged:
		return errors.New("the key begins with iak_ and its checksum is wrong: a character is missing, added or mistaken")
	}
	return nil
}

// checkAgainst refuses a record that tells its key, or contradicts it.
func checkAgainst(key string, rec *keysync.Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return errors.New("encoding the record failed")
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return errors.New("encoding the key failed")
	}
	if bytes.Contains(b, quoted[1:len(quoted)-1]) {
		return errors.New("a field of the record has the key in it; records are no secrets")
	}
	if keysync.CheckKey([]byte(key)) == keysync.KeyWellFormed && !strings.HasPrefix(key, "iak_"+rec.Mode+"_") {
		return fmt.Errorf("the key says another mode than its record, which is %s; give the mode in the line or with --mode", rec.Mode)
	}
	return nil
}
