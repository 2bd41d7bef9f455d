package ingestauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// attackTable has a row for every way that worked on another gateway, or on this one
// before: what the kind is, and the tests that show that it does not work. Whoever finds
// another one adds a row.
var attackTable = []struct{ kind, tests string }{
	// What a client says about itself.
	{"the client sends the identity header itself: any case, '_' or '.', on routes in report mode, as a trailer (Caddy GHSA-7r4p-vjf4-gxv4, Traefik CVE-2026-39858 and -88004)", "caddymodule.TestAttackSpoofedIdentity caddymodule.TestAttackSpoofedIdentityInReportMode"},
	{"names of headers that a backend folds: X~Ingest~Identity, X~Api~Key, X~HTTP~Method~Override, Content_Encoding", "caddymodule.TestAttackNamesThatBackendsFold caddymodule.TestAttackKeysInEverySpelling caddymodule.TestAttackVariablesOfBackends internal/fieldname.TestEveryByte"},
	{"a configured header name that is not canonical (Traefik CVE-2026-33433)", "caddymodule.TestAttackSpoofedIdentity"},
	{"Connection names a header that the gate sets, or went by (Traefik GHSA-62c8-mh53-4cqv)", "caddymodule.TestAttackSpoofedIdentity caddymodule.TestAttackConnectionNamesWhatTheGateGoesBy"},
	{"X-Forwarded-* decides nothing unless the peer is a trusted proxy (Oathkeeper GHSA-vhr5-ggp3-qq85)", "caddymodule.TestLimitBySpoofedIP"},
	{"the client's own X-Forwarded-For entry behind an appending proxy (oauth2-proxy #3478)", "caddymodule.TestChosenAddressIsWarnedOf TestProxiesAreTrustedStrictly"},
	{"X-HTTP-Method-Override where scopes go by method, or on a preflight (ESPv2 CVE-2023-30845)", "caddymodule.TestAttackNamesThatBackendsFold caddymodule.TestAttackPreflight caddymodule.TestScopesByMethod"},
	{"X-Original-URL and other headers that name another path", "caddymodule.TestPathOverrides"},

	// Two readers, two meanings.
	{"repeated credential headers, values joined by commas (Envoy CVE-2026-26308)", "caddymodule.TestAttackHeaders"},
	{"queries and forms: ';', escapes, repeats, other case (Go CVE-2022-2880), thousands of parameters (Go CVE-2026-39825)", "caddymodule.TestAttackQuery internal/credential.TestQueryLinear"},
	{"what URLSearchParams, qs, parse_str, parse_qsl or ASP read in a query or form and we do not", "internal/credential.TestDecoders internal/credential.FuzzDecoders caddymodule.TestAttackOtherDecodersOfQueries caddymodule.TestAttackOtherDecodersOfForms"},
	{"cookies and parameters of headers that only some readers find: spaces, commas, quotes, escapes, arrays", "internal/credential.TestPairDecoders internal/credential.FuzzPairDecoders internal/credential.TestCookies internal/credential.TestHeaderParams"},
	{"parameters of a scheme in another order than Rails reads them, commas in quotes", "internal/credential.TestSchemes"},
	{"a key in a path that readers split in another way, in one that a prefix was taken off, in the log of it", "internal/gate.TestKeyInPath internal/gate.TestPathDecoders internal/gate.FuzzPathDecoders internal/gate.TestRefusedPathHasNoKey internal/redact.TestKeysInPaths caddymodule.TestKeyInPathIsNamed"},
	{"a name of a key that is looked for in the query and not in the body, or the other way round", "internal/gate.TestUsualNames"},
	{"a required parameter that some backends do not find", "caddymodule.TestRequireQuery internal/credential.TestParamPresent"},
	{"JSON that readers differ in: duplicates, escaped names, lone surrogates, invalid UTF-8, depth (gjson#393)", "caddymodule.TestAttackJSON internal/credential.TestJSONOracle internal/credential.FuzzJSON"},
	{"a body of more rows, or in another framing, than the gate reads: arrays on a line of NDJSON, RFC 7464, types that are NDJSON by another name", "caddymodule.TestRowsOfLines caddymodule.TestLineTypes"},
	{"media types as lenient backends split or search them: ', x' behind a form type, image/png; x=application/json", "caddymodule.TestFormsAsBackendsReadThem caddymodule.TestTypesInWhichBackendsSearch caddymodule.TestTypesOfTwoKinds"},
	{"what some reader takes for JSON though it is none: UTF-16, UTF-32, NUL, comments, a second byte-order mark", "caddymodule.TestJSONThatIsNotUTF8 internal/credential.TestOpensJSON"},
	{"a key in a member below others, where it is in an array, escaped, in another case, or there twice on the way", "internal/credential.TestNestedMembers internal/credential.TestJSONReaders internal/credential.FuzzJSONGrammar internal/gate.TestKeysBelowMembers"},
	{"a second JSON text behind the first", "internal/credential.TestConcatenated internal/gate.TestConcatenatedTexts"},
	{"a compressed body that nobody says is one, for a backend that goes by its first bytes", "internal/gate.TestCompressedAndNotSaidToBe internal/gate.TestCompressedBadly internal/gate.TestOnlyBeginsAsIfCompressed"},
	{"multipart bodies as PHP, busboy, Python and Go differ in them: LF, boundaries in a line or behind the last, two names, escaped quotes, nested parts", "internal/credential.TestMultipart internal/credential.TestMultipartDecoders internal/credential.FuzzMultipart"},
	{"a key behind the files of a multipart body, where it streams already", "internal/gate.TestMultipartLateField internal/multipart.TestStream internal/multipart.FuzzStream caddymodule.TestMultipartThroughProxies"},
	{"JSON in a field of a form or the query: twice, base64 that is two documents, a body beside it", "internal/credential.TestFormDocument internal/credential.TestDocumentDecoders internal/credential.FuzzDocument internal/embedded.TestPlusSigns internal/gate.TestDocumentIsTheBody"},
	{"a key in the base64 of a query that is logged before the gate runs", "internal/redact.TestDocuments caddymodule.TestNothingLeaks"},
	{"a body that streams, read from the same bytes that were peeked", "caddymodule.TestOtherBodiesPassUnchanged caddymodule.TestStreamedBodyIsNeverCutShort caddymodule.TestRefusedBodyThatWasPeekedInto"},
	{"Expect: 100-continue with a refusal", "caddymodule.TestRefusalDoesNotWaitForTheBody caddymodule.TestExpectIsMetOnce"},
	{"a bound, required or counted member in another case", "caddymodule.TestAttackOtherCaseInBodies internal/credential.TestSpelling"},
	{"paths: dot segments, %2f, '\\', '//', ';', '#', what Win32 trims (Oathkeeper GHSA-p224-6x5r-fjpm, Caddy CVE-2026-27587, APISIX CVE-2021-43557)", "caddymodule.TestAttackPath caddymodule.TestAttackPathAfterRewrite"},
	{"HTTP/2 :path without a leading slash (grpc CVE-2026-33186), with a space", "caddymodule.TestAttackHTTP2PathWithoutSlash caddymodule.TestQueryWithASpace"},
	{"an upgrade to another version of HTTP, in which requests pass unseen", "caddymodule.TestAttackUpgradeToHTTP2"},
	{"what is not a key of ours, taken for one", "caddymodule.TestSomebodyElsesValue caddymodule.TestNamedLocationHoldsKeys caddymodule.TestStrangersAreNoFailures internal/credential.TestJudge"},

	{"the key once more where nobody looks: deep in the body, another header, a cookie, the path, percent-encoded, escaped, in base64 (segment, PostHog and Sentry clients by default)", "internal/copies.TestOracle internal/copies.FuzzCopies internal/gate.FuzzForwarded internal/gate.TestCopiesAreCut internal/gate.TestCopiesInHeaders internal/gate.TestCopiesInTrailers caddymodule.TestCopiesInTheOriginalRequest"},
	{"a cut that makes a credential, a resource, another media type or half an escape of what is left", "internal/gate.TestCopiesThatCannotBeCut internal/copies.TestNotExact internal/copies.TestHalfAnEscape"},

	// Too much of anything.
	{"huge bodies and forms (Go CVE-2025-61726), bombs, nested encodings", "caddymodule.TestAttackBodySizes internal/body.TestBombStopsEarly"},
	{"thousands of heads that announce bodies, thousands of slow uploads", "caddymodule.TestHeadsWithoutBodies caddymodule.TestSlowUploads internal/body.TestBudgetKeepsRoom"},
	{"many values to look up in one request", "internal/credential.TestJudgeIsAskedOnce"},
	{"a flood of random keys, also before the cache is filled", "keysync/cache.TestCacheColdFlood keysync/cache.TestCacheFloodOfRandomKeys"},
	{"more than 100 hosts, other case (Caddy CVE-2026-27588)", "caddymodule.TestAttackManyHosts"},
	{"a clock that is set hands out budget again", "internal/limit.TestClockSteps"},

	// What others may see.
	{"a cache key that leaves out the source (Oathkeeper GHSA-4mq7-pvjg-xp2r)", "caddymodule.TestAttackTwoGatesTwoSources"},
	{"an error page or error route with the original request (Traefik CVE-2026-41181)", "caddymodule.TestNothingLeaks caddymodule.TestAttackErrorRouteBehindTracing"},
	{"a raw key as a label, in a span, an event, an error, a log (caddy-ratelimit, Tyk PR #6296)", "caddymodule.TestNothingLeaks caddymodule.TestSpanHidesKeysWithoutAQuery caddymodule.TestLeakSuiteSeesLeaks"},
	{"a key in a place that no list has, in any encoding, in any log (?sentry_key=, X-Honeycomb-Team, a path segment, base64)", "caddymodule.TestNothingLeaksFromAnyPlace internal/redact.TestKnownKeys internal/redact.TestStrict internal/redact.FuzzKnownKeys"},
	{"a digest of the body as it was, under another spelling of its name", "internal/gate.TestDigestsOfAnotherBody"},
	{"a log that would write keys, also by a filter around redact_keys", "caddymodule.TestLogCheck caddymodule.TestLogCheckFilters"},
	{"{env.X} in a credential or query is expanded (Caddy CVE-2026-77281)", "caddymodule.TestAttackHeaders caddymodule.TestAttackQuery"},
	{"counters of somebody else's resource on a 404", "caddymodule.TestRefusalsTellNothingOfOthers examples.TestInstasentTellsNothingOfOthers"},

	// Whose fault it is.
	{"a failed look-up reported as an invalid key (Unkey, Vexa #495)", "caddymodule.TestVault keysync/vault.TestOutageDrill"},
	{"another engine mounted over the one that was checked: its 404 is no unknown key", "keysync/vault.TestVaultMountIsReplaced"},
	{"a healthy Vault and an empty cache: no 503", "keysync/cache.TestCacheFillsAsFastAsTheSourceAnswers"},
	{"an unresolved secret reference taken for the secret (APISIX PR #13667)", "caddymodule.TestUnresolvedSecretIsRefused"},
	{"two records for one digest, the last one wins (APISIX PR #13529)", "keysync/file.TestOpenFileErrors"},
	{"JWT alg confusion and none (APISIX CVE-2026-39999)", "caddymodule.TestExampleBackends"},
	{"a client that makes backends count as down: a body that it breaks off, a value that header_up may not set", "caddymodule/forward.TestUnsent"},
	{"a Connection header that names many fields, a body that is announced and never sent", "caddymodule/forward.TestManyNominatedFields caddymodule/forward.TestBodyTakesRoomAsItComes"},
	{"a response that belongs to another request: bytes behind one, connections in use at a reload, clients that leave", "caddymodule/forward.TestBytesBehindAnswers caddymodule/forward.TestConnectionsInUse caddymodule/forward.TestClientCancels internal/wire.TestConcurrent"},
	{"a read of the backend that failed taken for the end of a line", "internal/wire.TestReadErrorStaysError caddymodule.TestForwardStalls"},
}

// TestAttackTable: a row without a test is a promise that nobody keeps.
func TestAttackTable(t *testing.T) {
	known := make(map[string]map[string]bool) // functions by folder
	for _, row := range attackTable {
		for name := range strings.FieldsSeq(row.tests) {
			dir, function, ok := strings.Cut(name, ".")
			if !ok {
				dir, function = ".", name
			}
			if known[dir] == nil {
				known[dir] = testFunctions(t, dir)
			}
			if !known[dir][function] {
				t.Errorf("%s: there is no test %s", row.kind, name)
			}
		}
		if row.tests == "" {
			t.Errorf("%s: no test", row.kind)
		}
	}
}

// testFunctions returns the names of the test and fuzz functions in a folder.
func testFunctions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
