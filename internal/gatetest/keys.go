package gatetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
)

// Record is a record as in a key file.
type Record map[string]any

// Keys returns a key file that holds a record for every key. Records without an ID and an
// account get them; a field that is nil is left out.
func Keys(records map[string]Record) string {
	list := make([]Record, 0, len(records))
	for key, rec := range records {
		sum := sha256.Sum256([]byte(key))
		full := Record{"digest": hex.EncodeToString(sum[:]), "key_id": "key_" + hex.EncodeToString(sum[:4]), "account": "acme"}
		maps.Copy(full, rec)
		maps.DeleteFunc(full, func(_ string, value any) bool { return value == nil })
		list = append(list, full)
	}
	b, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		panic(err) // cannot be: records are plain values
	}
	return string(b)
}
