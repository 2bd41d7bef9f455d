package decodertest

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// readings are what decoders read in a text.
var (
	percentForm = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	jsonForm    = regexp.MustCompile(`\\u[0-9a-fA-F]{4}|\\/`)
	codedForm   = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}`)
)

func readings(text string) []string {
	percent := func(s string) string {
		return percentForm.ReplaceAllStringFunc(s, func(e string) string { d, _ := url.PathUnescape(e); return d })
	}
	escapes := func(s string) string {
		return jsonForm.ReplaceAllStringFunc(s, func(e string) string {
			var d string
			_ = json.Unmarshal([]byte(`"`+e+`"`), &d)
			return d
		})
	}
	return []string{text, percent(text), escapes(text), percent(escapes(text)), escapes(percent(text))}
}

// Holds tells how one of the usual decoders finds a key in a text, "" if none does. It is
// in Go, for fuzzing, and uses nothing of ours.
func Holds(text, key string) string {
	std := strings.NewReplacer("-", "+", "_", "/")
	for _, reading := range readings(text) {
		if strings.Contains(reading, key) {
			return reading
		}
		for _, run := range codedForm.FindAllString(reading, -1) {
			for start := range 4 {
				part := std.Replace(run[start:])
				part = part[:len(part)-len(part)%4]
				if d, err := base64.StdEncoding.DecodeString(part); err == nil && strings.Contains(string(d), key) {
					return part
				}
			}
		}
	}
	return ""
}
