// Package fieldname compares names of header and trailer fields as the most forgiving
// backend does. CGI, and its descendants (WSGI, Rack, PHP), turn every field into a
// variable: letters become capitals, and other characters that are not digits become '_'.
// lighttpd does so with every such character, others with some. X-API-Key, x_api.key and
// X~Api~Key are then one name, so they are one name here.
package fieldname

// Fold returns the common form of all spellings of a name: small letters, digits, and '-'
// for every other byte.
func Fold(name string) string { return string(Append(nil, name)) }

// Append appends Fold(name) to dst.
func Append[T string | []byte](dst []byte, name T) []byte {
	for i := range len(name) {
		dst = append(dst, folded[name[i]])
	}
	return dst
}

// Byte returns the common form of one byte of a name.
func Byte(c byte) byte { return folded[c] }

// Equal reports whether name is a spelling of the name with that folded form.
func Equal(name, fold string) bool {
	if len(name) != len(fold) {
		return false
	}
	for i := range len(name) {
		if folded[name[i]] != fold[i] {
			return false
		}
	}
	return true
}

// folded maps every byte.
var folded = func() (t [256]byte) {
	for i := range t {
		switch c := byte(i); {
		case 'A' <= c && c <= 'Z':
			t[i] = c + 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			t[i] = c
		default:
			t[i] = '-'
		}
	}
	return t
}()
