package keyscli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// minKey is the length in characters below which a key can be guessed: 16 random hex
// digits are 64 bits, which is the least that cannot be guessed through a gate.
const minKey = 16

// readKeys reads all lines, so that nothing is stored if one is wrong. Errors
// name the line and never quote it.
func readKeys(r io.Reader, defaults *keysync.Record, idPrefix string) (*keyReader, error) {
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
		return nil, errors.New("standard input has none")
	}
	return in, nil
}

// keyReader turns lines into entries.
type keyReader struct {
	defaults map[string]json.RawMessage
	idPrefix string
	entries  []keysync.Entry
	digests  map[keysync.Digest]int // where a digest was first
	keyIDs   map[string]int
	short    []int // lines of keys that can be guessed
}

func newKeyReader(defaults *keysync.Record, idPrefix string) (*keyReader, error) {
	// A mistake in the flags is not the fault of a line.
	try := *defaults
	try.KeyID = newKeyID(idPrefix)
	if _, err := checkRecord(&try); err != nil {
		return nil, fmt.Errorf("the flags do not make a usable record: %w", err)
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
	if !isObject(line) && bytes.ContainsFunc(line, separates) {
		return errors.New("looks like several columns: write one key per line, or a JSON object with the key and its record (if the key itself looks like this, write the object, too)")
	}
	key, fields, err := readKeyLine(line)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(key) < minKey {
		in.short = append(in.short, n)
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
		return fmt.Errorf("repeats the key of line %d", first)
	}
	if first, ok := in.keyIDs[rec.KeyID]; ok {
		return fmt.Errorf("repeats the key_id of line %d", first)
	}
	in.digests[e.Digest], in.keyIDs[rec.KeyID] = n, n
	in.entries = append(in.entries, e)
	return nil
}

// separates reports whether c usually separates the columns of a table; keys rarely have
// it.
func separates(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("|,;", c) }

// warning names keys that can be guessed. It is empty if there are none.
func (in *keyReader) warning() string {
	if len(in.short) == 0 {
		return ""
	}
	return fmt.Sprintf("Warning: keys with fewer than %d characters could be guessed: %d, the first is in line %d. Replace them by keys made with `ingest-keys create`.\n",
		minKey, len(in.short), in.short[0])
}

// optionalTimes may be null in a line, which counts as left out.
var optionalTimes = []string{"created_at", "not_before", "expires_at", "revoked_at"}

// record adds the fields that the line leaves out.
func (in *keyReader) record(line map[string]json.RawMessage) (*keysync.Record, error) {
	fields := maps.Clone(in.defaults)
	for name, value := range line {
		if string(value) != "null" || !slices.Contains(optionalTimes, name) {
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
