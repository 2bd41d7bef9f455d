package gate

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/embedded"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/internal/multipart"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// refusal says why a request is refused.
type refusal struct {
	verdict Verdict
	status  status
	message string // for the client's author
	cause   error  // for logs only

	limit *limit.State // the limit that refuses, nil if none does
}

// refuseFor returns the refusal for a verdict, from its row.
func refuseFor(v Verdict) *refusal {
	return &refusal{verdict: v, status: verdicts[v].status, message: verdicts[v].message}
}

// saying replaces the message of the row by a more specific one.
func (ref *refusal) saying(message string) *refusal {
	ref.message = message
	return ref
}

// because sets the cause for the logs.
func (ref *refusal) because(err error) *refusal {
	ref.cause = err
	return ref
}

// denied sets the status and message from the configuration.
func (ref *refusal) denied(d config.Denial) *refusal {
	ref.status = denialStatus(d.Status, ref.status)
	if d.Message != "" {
		ref.message = d.Message
	}
	return ref
}

// unauthenticated reports whether the request has no good key.
func (ref *refusal) unauthenticated() bool {
	return ref == refMissing || ref.verdict.code() == invalidKey
}

var (
	refMissing    = refuseFor(missingKey)
	refCandidates = refuseFor(tooManyCandidates)
	refConflict   = refuseFor(conflictingCredentials)
	refMode       = refuseFor(wrongMode)
	refNotJSON    = refuseFor(unsupportedType)
	refPath       = refuseFor(malformedPath)
	refTypes      = refuseFor(malformedBody).saying("More than one Content-Type")
	refChars      = refuseFor(unsupportedCharset)

	refTwoDocuments = refuseFor(malformedBody).saying("The query has a JSON document, and there is a body, too")
	refManyTakes    = refuseFor(tooManyValues)
	refManyItems    = refuseFor(tooManyItems)
	refFewItems     = refuseFor(tooFewItems)
	refInFlight     = refuseFor(tooManyInFlight)
)

// refTooManyKeys refuses a request in which more than one value is, or may be, a key.
func refTooManyKeys(err error) *refusal {
	if errors.Is(err, credential.ErrCandidates) {
		return refCandidates
	}
	return refConflict
}

func refState(s keysync.State) *refusal {
	switch s {
	case keysync.StateActive:
		return nil
	case keysync.StateExpired:
		return refuseFor(expiredKey)
	case keysync.StateRevoked:
		return refuseFor(revokedKey)
	default:
		return refuseFor(keyNotYetValid)
	}
}

// refUnavailable refuses a request because the gate cannot do its work.
func refUnavailable(message string, err error) *refusal {
	return refuseFor(unavailable).saying(message).because(err)
}

func refQuery(err error) *refusal { return refuseFor(malformedQuery).because(err) }

func refScope(d config.Denial) *refusal { return refuseFor(insufficientScope).denied(d) }

func refResource(name string, d config.Denial) *refusal {
	return refuseFor(resourceMismatch).saying("Invalid " + name).denied(d)
}

func refNoResource(name string) *refusal {
	return refuseFor(missingResource).saying("Missing " + name)
}

func refMissingParameter(name string) *refusal {
	return refuseFor(missingParameter).saying("Missing parameter: " + name)
}

func refShape(shape string) *refusal {
	return refuseFor(wrongShape).saying("Body should be an " + shape)
}

func refLimited(s limit.State) *refusal {
	ref := refuseFor(rateLimited)
	ref.limit = &s
	return ref
}

// refMissingField refuses a row, counted from 0, without required members. Row -1 means
// that the body is not an array, or that the array of rows is missing.
func refMissingField(r config.Requirement, row int) *refusal {
	fields := make([]string, len(r.Fields))
	for i, path := range r.Fields {
		fields[i] = config.PathText(path)
	}
	message := "Missing field: " + strings.Join(fields, ", ")
	switch {
	case r.In != "" && row < 0:
		message = "Missing field: " + config.PathText(r.In)
	case r.Any && len(r.Fields) > 1:
		message = "Missing field: one of " + strings.Join(fields, ", ")
	}
	if row >= 0 {
		message += " (item " + strconv.Itoa(row)
		if r.In != "" {
			message += " of " + config.PathText(r.In)
		}
		message += ")"
	}
	return refuseFor(missingField).saying(message)
}

// refBody is the refusal for an error of reading or scanning a body.
func refBody(err error) *refusal {
	var syntax *credential.SyntaxError
	var spelling *credential.SpellingError
	var tooLarge *http.MaxBytesError
	var form *multipart.Error
	switch {
	case errors.Is(err, body.ErrTooLarge), errors.Is(err, body.ErrDecodedTooLarge), errors.Is(err, body.ErrRatio), errors.As(err, &tooLarge):
		return refuseFor(bodyTooLarge).because(err)
	case errors.Is(err, body.ErrMemory):
		return refUnavailable("Too many requests are being read; try again", err)
	case errors.Is(err, body.ErrUnsupported):
		return refuseFor(unsupportedEncoding).because(err)
	case errors.Is(err, body.ErrEncoding):
		return refuseFor(malformedBody).saying("Malformed compressed body").because(err)
	case errors.As(err, &syntax):
		return refuseFor(malformedBody).saying("Malformed JSON").because(err)
	case errors.As(err, &spelling):
		return refuseFor(malformedBody).saying("Field must be spelled exactly: " + spelling.Name).because(err)
	case errors.As(err, &form):
		return refuseFor(malformedBody).saying("Malformed multipart body: " + form.What).because(err)
	case errors.Is(err, credential.ErrLate):
		return refuseFor(malformedBody).saying("The field with the API key must be in the first 64 KiB of the body, before files").because(err)
	case errors.Is(err, embedded.ErrNoDocument):
		return refuseFor(malformedBody).saying("Malformed field: it is neither a JSON object or array nor the base64 of one").because(err)
	case errors.Is(err, embedded.ErrAmbiguous):
		return refuseFor(malformedBody).saying("Malformed field: write + as %2B in its base64").because(err)
	case errors.Is(err, credential.ErrDuplicate):
		return refuseFor(duplicateField).because(err)
	default:
		return refuseFor(malformedBody).because(err)
	}
}
