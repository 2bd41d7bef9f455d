package gate

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// Verdict is the decision of a gate about a request. It is also an index of the metrics.
type Verdict uint8

// The verdicts.
const (
	allowed Verdict = iota
	bodyTooLarge
	conflictingCredentials
	duplicateField
	expiredKey
	insufficientScope
	keyElsewhere
	keyNotYetValid
	malformedBody
	malformedKey
	malformedPath
	malformedQuery
	missingField
	missingKey
	missingParameter
	missingResource
	rateLimited
	resourceMismatch
	revokedKey
	tooFewItems
	tooManyCandidates
	tooManyInFlight
	tooManyItems
	tooManyValues
	unavailable
	unknownKey
	unsupportedCharset
	unsupportedEncoding
	unsupportedType
	wrongMode
	wrongShape

	// Verdicts is how many there are.
	Verdicts = int(iota)
)

// invalidKey is the code for everything that can be wrong with a key. Clients are not
// told what it is; operators see it in the verdict.
const invalidKey = "invalid_key"

// verdicts has a row for each verdict. The code is for the client's program: stable,
// lower case, and by default the name. The message is for the client's author; a more
// specific message may replace it.
var verdicts = [Verdicts]struct {
	name    string // for logs, placeholders, metrics and assertions
	status  status
	message string
	code    string
}{
	allowed:                {name: "allowed"},
	bodyTooLarge:           {"body_too_large", tooLarge, "Request body too large", ""},
	conflictingCredentials: {"conflicting_credentials", badRequest, "Request has more than one API key", ""},
	duplicateField:         {"duplicate_field", badRequest, "Duplicate field in request body", ""},
	expiredKey:             {"expired_key", unauthorized, "Invalid API key", invalidKey},
	insufficientScope:      {"insufficient_scope", forbidden, "API key lacks the required scope", ""},
	keyElsewhere:           {"key_elsewhere", badRequest, "API key is given in another place, too", ""},
	keyNotYetValid:         {"key_not_yet_valid", unauthorized, "Invalid API key", invalidKey},
	malformedBody:          {"malformed_body", badRequest, "Malformed request body", ""},
	malformedKey:           {"malformed_key", unauthorized, "Invalid API key", invalidKey},
	malformedPath:          {"malformed_path", badRequest, "Malformed path", ""},
	malformedQuery:         {"malformed_query", badRequest, "Malformed query", ""},
	missingField:           {"missing_field", badRequest, "Missing field", ""},
	missingKey:             {"missing_key", unauthorized, "Missing API key", ""},
	missingParameter:       {"missing_parameter", badRequest, "Missing parameter", ""},
	missingResource:        {"missing_resource", badRequest, "Missing resource", ""},
	rateLimited:            {"rate_limited", tooManyRequests, "Rate limit exceeded", ""},
	resourceMismatch:       {"resource_mismatch", notFound, "Invalid resource", ""},
	revokedKey:             {"revoked_key", unauthorized, "Invalid API key", invalidKey},
	tooFewItems:            {"too_few_items", badRequest, "Request body has too few items", ""},
	tooManyCandidates:      {"too_many_candidates", badRequest, "Request has too many values that may be API keys", ""},
	tooManyInFlight:        {"too_many_in_flight", tooManyRequests, "Too many requests in flight", ""},
	tooManyItems:           {"too_many_items", badRequest, "Request body has too many items", ""},
	tooManyValues:          {"too_many_values", badRequest, "Request names too many resources", ""},
	unavailable:            {"unavailable", serviceUnavailable, "Try again", ""},
	unknownKey:             {"unknown_key", unauthorized, "Invalid API key", invalidKey},
	unsupportedCharset:     {"unsupported_charset", unsupportedMedia, "Unsupported charset; use UTF-8", ""},
	unsupportedEncoding:    {"unsupported_encoding", unsupportedMedia, "Unsupported Content-Encoding", ""},
	unsupportedType:        {"unsupported_type", unsupportedMedia, "Unsupported Content-Type; use application/json", ""},
	wrongMode:              {"wrong_mode", forbidden, "This kind of API key is not accepted here", ""},
	wrongShape:             {"wrong_shape", badRequest, "Body has the wrong shape", ""},
}

// String returns the name.
func (v Verdict) String() string { return verdicts[v].name }

// code is the code for the client.
func (v Verdict) code() string {
	if code := verdicts[v].code; code != "" {
		return code
	}
	return verdicts[v].name
}

// status is the HTTP status of an answer and its gRPC status: the one that
// google.rpc.Code documents for it. For a body that is too large it is the one that gRPC
// itself uses for a message that is too large.
type status struct {
	http int
	grpc codes.Code
}

var (
	badRequest         = status{http.StatusBadRequest, codes.InvalidArgument}
	unauthorized       = status{http.StatusUnauthorized, codes.Unauthenticated}
	forbidden          = status{http.StatusForbidden, codes.PermissionDenied}
	notFound           = status{http.StatusNotFound, codes.NotFound}
	tooLarge           = status{http.StatusRequestEntityTooLarge, codes.ResourceExhausted}
	unsupportedMedia   = status{http.StatusUnsupportedMediaType, codes.InvalidArgument}
	tooManyRequests    = status{http.StatusTooManyRequests, codes.ResourceExhausted}
	serviceUnavailable = status{http.StatusServiceUnavailable, codes.Unavailable}
)

// denials are the statuses that the configuration may choose for a key that does not
// allow the request.
var denials = [...]status{badRequest, unauthorized, forbidden, notFound}

// denialStatus returns the chosen status, or usual if none was chosen.
func denialStatus(chosen int, usual status) status {
	for _, s := range denials {
		if s.http == chosen {
			return s
		}
	}
	return usual
}
