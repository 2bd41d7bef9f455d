package redact

import (
	"bytes"

	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// hint says what the letters and digits of a text remind of.
type hint uint16

const (
	hintSecret   hint = 1 << iota // a word that makes a name one of a credential
	hintAuth                      // "auth", unless an author is meant
	hintWord                      // a word that counts only if it stands alone
	hintOwner                     // "api" and the like: of a credential if a key follows
	hintKey                       // "key"
	hintAdded                     // a name that was added
	hintDocument                  // a name of a parameter that is a document
	hintScheme                    // "bearer" or "basic"
)

// words are what names of credentials have in them, as letters and digits only. The log of
// an operator who wants to see one of them back needs an exception below.
var words = map[string]hint{
	"token": hintSecret, "secret": hintSecret, "password": hintSecret, "passwd": hintSecret, "passphrase": hintSecret,
	"credential": hintSecret, "signature": hintSecret, "jwt": hintSecret, "bearer": hintSecret | hintScheme, "basic": hintScheme,
	"accesskey": hintSecret, "privatekey": hintSecret, "licensekey": hintSecret, "licencekey": hintSecret, "appkey": hintSecret,
	"applicationkey": hintSecret, "insertkey": hintSecret, "sentrykey": hintSecret, "subscriptionkey": hintSecret,
	"signingkey": hintSecret, "sharedkey": hintSecret, "projectkey": hintSecret, "teamkey": hintSecret, "honeycombteam": hintSecret,
	"auth": hintAuth,
	"sig":  hintWord, "pass": hintWord, "pwd": hintWord, "hmac": hintWord, "sas": hintWord,
	"api": hintOwner, "ingest": hintOwner, "write": hintOwner, "key": hintKey,
}

// notSecret are names, folded as package fieldname does, that have such words in them and
// no credential.
var notSecret = map[string]bool{
	"www-authenticate": true, "proxy-authenticate": true, "access-control-allow-credentials": true,
}

// about are last words of names that tell something of a credential, not the credential.
var about = map[string]bool{
	"id": true, "ids": true, "type": true, "method": true, "status": true, "state": true, "count": true, "ttl": true, "scheme": true,
}

// byWords reports whether name has the words of a name of a credential. Whatever stands
// between its letters and digits is no matter, and capitals only where a word begins.
func (s *set) byWords(name []byte) bool {
	var out [64]byte
	if hasForeign(name) {
		name = canonical(out[:0], name)
	}
	h := s.trie.hints(name)
	if h&hintSecret == 0 && (h&hintAuth == 0 || !isAuth(name)) && (h&hintWord == 0 || !hasWord(name)) {
		return false
	}
	var buf [64]byte
	folded := fieldname.Append(buf[:0], name)
	if notSecret[string(folded)] || bytes.HasSuffix(folded, ourName) {
		return false
	}
	return !about[string(lower(buf[:0], lastWord(name)))]
}

// ourName ends the names of our modules, which errors begin with.
var ourName = []byte("ingest-auth")

// isAuth reports whether "auth" is in the letters of name other than in an author, or an
// authority.
func isAuth(name []byte) bool {
	var buf [64]byte
	for rest := letters(buf[:0], name); ; {
		i := bytes.Index(rest, []byte("auth"))
		if i < 0 {
			return false
		}
		rest = rest[i+len("auth"):]
		if !bytes.HasPrefix(rest, []byte("or")) || bytes.HasPrefix(rest, []byte("oriz")) || bytes.HasPrefix(rest, []byte("oris")) {
			return true
		}
	}
}

// hasWord reports whether one of the words of name is a hintWord.
func hasWord(name []byte) bool {
	var buf [64]byte
	for len(name) > 0 {
		word := lastWord(name)
		if words[string(lower(buf[:0], word))]&hintWord != 0 {
			return true
		}
		name = trimWord(name)
	}
	return false
}

// lastWord returns the last word of a name: words are told apart by punctuation and by
// capitals, as in "api_key", "apiKey" and "APIKey".
func lastWord(name []byte) []byte {
	end := len(name)
	for end > 0 && !isAlphanumeric(name[end-1]) {
		end--
	}
	start := end
	for start > 0 && isAlphanumeric(name[start-1]) && (start == end || !isCapital(name[start]) || isCapital(name[start-1])) {
		start--
	}
	return name[start:end]
}

// trimWord returns name without its last word.
func trimWord(name []byte) []byte {
	for len(name) > 0 && !isAlphanumeric(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	return name[:len(name)-len(lastWord(name))]
}

func isCapital(c byte) bool { return 'A' <= c && c <= 'Z' }

func lower(dst, text []byte) []byte {
	for _, c := range text {
		if isCapital(c) {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// trie finds all words in a text in one pass (Aho and Corasick, 1975). Only letters and
// digits count; case does not.
type trie struct {
	next  []uint16 // by state and symbol
	found []hint   // by state: what ends there
}

const (
	symbols = 64 // a power of two that has room for letters, digits and all the rest
	noSign  = symbols - 1
)

// symbolOf maps a byte to its symbol.
var symbolOf = func() (t [256]uint8) {
	for i := range t {
		switch c := canonicalByte(byte(i)); {
		case 'a' <= c && c <= 'z':
			t[i] = c - 'a'
		case '0' <= c && c <= '9':
			t[i] = 26 + c - '0'
		default:
			t[i] = noSign
		}
	}
	return t
}()

func newTrie(words map[string]hint) *trie {
	t := &trie{next: make([]uint16, symbols), found: make([]hint, 1)}
	for word, h := range words {
		t.insert(word, h)
	}
	t.link()
	return t
}

func (t *trie) insert(word string, h hint) {
	state := 0
	for i := range len(word) {
		at := state*symbols + int(symbolOf[word[i]])
		if t.next[at] == 0 {
			t.next[at] = uint16(len(t.found))
			t.next, t.found = append(t.next, make([]uint16, symbols)...), append(t.found, 0)
		}
		state = int(t.next[at])
	}
	t.found[state] |= h
}

// link makes every state know where to go on after a symbol that continues none of its words.
func (t *trie) link() {
	fallback := make([]uint16, len(t.found))
	queue := []int{0}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		t.found[state] |= t.found[fallback[state]]
		for symbol := range symbols {
			at := state*symbols + symbol
			onward := t.next[int(fallback[state])*symbols+symbol]
			switch child := t.next[at]; {
			case symbol == noSign:
				t.next[at] = uint16(state)
			case child == 0:
				t.next[at] = onward
			default:
				if state != 0 {
					fallback[child] = onward
				}
				queue = append(queue, int(child))
			}
		}
	}
}

// hints returns what text reminds of.
func (t *trie) hints(text []byte) (seen hint) {
	state := 0
	for _, c := range text {
		if state = int(t.next[state*symbols+int(symbolOf[c])]); t.found[state] != 0 {
			seen = seen.and(t.found[state])
		}
	}
	return seen
}

// and adds what was found next. A key after its owner makes a secret of both.
func (h hint) and(next hint) hint {
	if next&hintKey != 0 && h&hintOwner != 0 {
		next |= hintSecret
	}
	return h | next
}
