package assertion

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// privateParts returns the private bytes of all keys of s.
func privateParts(t *testing.T, s *Signer) [][]byte {
	t.Helper()
	var out [][]byte
	for _, k := range s.keys.Load().keys {
		switch p := k.private.(type) {
		case ed25519.PrivateKey:
			out = append(out, p.Seed())
		case *ecdsa.PrivateKey:
			d, err := p.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, d)
		}
	}
	return out
}

// Logs, errors, tokens, key sets and formatted signers of a life with rotations
// and failures hold no private key; the storage does.
func TestPrivateKeysStayInStorage(t *testing.T) {
	for _, a := range []Algorithm{EdDSA, ES256} {
		t.Run(string(a), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testPrivateKeys(t, a) })
		})
	}
}

func testPrivateKeys(t *testing.T, a Algorithm) {
	o := validOptions(a)
	o.Rotate = time.Hour
	log, logs := observe()
	st := newMemory()
	s, err := Open(t.Context(), st, o, log)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Minute) // two keys
	synctest.Wait()
	path, good := st.document(t)
	private := privateParts(t, s)
	if len(private) != 2 {
		t.Fatalf("%d keys, want 2", len(private))
	}
	var out strings.Builder
	for i := range good { // every way of cutting the document off
		st.put(path, good[:i])
		if i%50 == 0 {
			time.Sleep(2 * time.Minute)
			fmt.Fprintln(&out, s.Rotate(t.Context()))
		}
		_, err := decodeDocument(a, good[:i])
		fmt.Fprintln(&out, err)
	}
	st.put(path, good)
	st.failing(errOutage, "store")
	fmt.Fprintln(&out, s.Rotate(t.Context()))
	s.Close()
	fmt.Fprintf(&out, "%v %+v %#v\n", s, s, s)
	fmt.Fprintln(&out, sign(t, s, fullClaims(), time.Now()), string(s.JWKS()))
	for _, e := range logs.All() {
		fields, err := json.Marshal(e.ContextMap())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, e.Message, string(fields))
	}
	for _, p := range private {
		if !containsForm(string(good), p) {
			t.Error("the private key is not in the storage, so this test looks for the wrong thing")
		}
		if containsForm(out.String(), p) {
			t.Error("a private key is in the output")
		}
		assertNoPrivatePart(t, out.String(), base64Form(p))
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	o := validOptions(HS256)
	s := open(t, nil, o)
	out := fmt.Sprintf("%v %+v %#v %s", s, s, s, sign(t, s, &Claims{}, time.Now())) + string(s.JWKS())
	if containsForm(out, o.Secret) {
		t.Error("the secret is in the output")
	}
}
