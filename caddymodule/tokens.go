package caddymodule

import (
	"slices"
	"strings"
)

// withoutTokens returns the header values, lists of tokens separated by commas,
// without the tokens that match. It returns values itself if none does.
func withoutTokens(values []string, match func(string) bool) []string {
	named := func(value string) bool {
		for token := range strings.SplitSeq(value, ",") {
			if match(strings.TrimSpace(token)) {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(values, named) {
		return values
	}
	kept := make([]string, 0, len(values))
	for _, value := range values {
		var tokens []string
		for token := range strings.SplitSeq(value, ",") {
			if token = strings.TrimSpace(token); !match(token) {
				tokens = append(tokens, token)
			}
		}
		kept = append(kept, strings.Join(tokens, ", "))
	}
	return kept
}
