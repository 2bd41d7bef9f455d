package assertion

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// document is what the storage holds, oldest key first:
//
//	{"keys":[{
//	  "created":    "2026-01-02T15:04:05Z",
//	  "signs_from": "2026-01-02T15:04:05Z",
//	  "retire":     "2026-01-03T15:15:05Z",   // only once there is a successor
//	  "jwk":        {"kty":"OKP","crv":"Ed25519","x":"…","d":"…","kid":"…","alg":"EdDSA","use":"sig"}
//	}]}
type document struct {
	Keys []storedKey `json:"keys"`
}

type storedKey struct {
	Created   time.Time       `json:"created"`
	SignsFrom time.Time       `json:"signs_from"`
	Retire    time.Time       `json:"retire,omitzero"`
	JWK       json.RawMessage `json:"jwk"`
}

func encodeDocument(a Algorithm, keys []*key) ([]byte, error) {
	doc := document{}
	for _, k := range keys {
		jwk, err := k.jwk(a, k.private).MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encoding signing key %s failed", k.id) // the cause may quote the key
		}
		doc.Keys = append(doc.Keys, storedKey{k.created, k.signsFrom, k.retire, jwk})
	}
	return json.Marshal(doc)
}

// decodeDocument fails with a reason that does not quote the document, because
// anything in a damaged document may be a part of a private key.
func decodeDocument(a Algorithm, data []byte) ([]*key, error) {
	var doc document
	if json.Unmarshal(data, &doc) != nil {
		return nil, errors.New("it is not the expected JSON")
	}
	if len(doc.Keys) == 0 {
		return nil, errors.New("it holds no keys")
	}
	keys := make([]*key, len(doc.Keys))
	for i, stored := range doc.Keys {
		k, err := stored.decode(a)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if i > 0 && !k.signsFrom.After(keys[i-1].signsFrom) {
			return nil, fmt.Errorf("key %d: it must sign later than the key before it", i+1)
		}
		keys[i] = k
	}
	return keys, nil
}

func (s storedKey) decode(a Algorithm) (*key, error) {
	var jwk jose.JSONWebKey
	if json.Unmarshal(s.JWK, &jwk) != nil {
		return nil, errors.New("not a valid JWK")
	}
	k, err := newKey(a, jwk.Key)
	if err != nil {
		return nil, err
	}
	if jwk.KeyID != k.id {
		return nil, errors.New("kid is not the thumbprint of the key")
	}
	if s.Created.IsZero() || s.SignsFrom.IsZero() {
		return nil, errors.New("created or signs_from is missing")
	}
	k.created, k.signsFrom, k.retire = s.Created, s.SignsFrom, s.Retire
	return k, nil
}
