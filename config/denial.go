package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Denial is the answer to a client whose key does not allow the request.
type Denial struct {
	// The status code of the answer. Default: 403 for a scope, 404 for a resource.
	Status int `json:"status,omitempty"`

	// The message of the answer. Default: it says that a scope is missing, or names the
	// resource.
	Message string `json:"message,omitempty"`
}

func (d Denial) validate(setting string, statuses ...int) error {
	if d.Status != 0 && !slices.Contains(statuses, d.Status) {
		return fmt.Errorf("%s: status %d is not one of %s", setting, d.Status, listOf(statuses))
	}
	return nil
}

func listOf(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ", ")
}
