#!/usr/bin/env bash
# Sends requests to the example. A title says which status is to come; the last
# line of an answer shows the one that came, and what the backend saw.
set -euo pipefail
url=${1:-http://localhost:8080}

# send TITLE CURL-ARGUMENTS…
send() {
	printf '\n# %s\n' "$1"
	curl -sS -w '\n=> %{http_code} %header{backend-saw}\n' "${@:2}"
}

json='Content-Type: application/json'
live=EXAMPLE-ours-live-key
test=EXAMPLE-ours-test-mode-key
retired=EXAMPLE-ours-retired-key

send '200 An event: the token is gone' \
	"$url/api/v1/track" -H "$json" -d '{"event":"Purchase","userId":"user123","token":"'$live'"}'

send '200 An event in Test Mode: the other backend' \
	"$url/api/v1/track" -H "$json" -d '{"event":"Purchase","userId":"user123","token":"'$test'"}'

send '200 A batch: one token for all rows' \
	"$url/api/v1/batch" -H "$json" -d '{"token":"'$live'","events":[{"event":"a","userId":"user123"},{"event":"b","email":"b@example.com"}]}'

send '401 A retired source' \
	"$url/api/v1/identify" -H "$json" -d '{"userId":"user123","token":"'$retired'"}'

send '401 The key where it does not belong' \
	"$url/api/v1/track" -H "$json" -H "Authorization: Bearer $live" -d '{"event":"Purchase","userId":"user123"}'

send '400 Whose event?' \
	"$url/api/v1/track" -H "$json" -d '{"event":"Purchase","token":"'$live'"}'

send '400 A row of a batch that is nobody'"'"'s' \
	"$url/api/v1/batch" -H "$json" -d '{"token":"'$live'","events":[{"userId":"user123"},{"event":"b"}]}'

send '400 Malformed JSON' \
	"$url/api/v1/track" -H "$json" -d '{"event":'
