package credential

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var (
	tokenBytes   = byteSet(alphanumeric + "!#$%&'*+-.^_`|~") // token of RFC 9110
	token68Bytes = byteSet(alphanumeric + "-._~+/")          // b64token of RFC 6750, without '='
)

// byteSet returns the set of the bytes of s.
func byteSet(s string) (set [256]bool) {
	for i := range len(s) {
		set[s[i]] = true
	}
	return set
}

// tokenLen returns the length of the RFC 9110 token that s starts with.
func tokenLen(s string) int {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return i
		}
	}
	return len(s)
}
