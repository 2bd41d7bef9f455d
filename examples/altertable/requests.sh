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
key=EXAMPLE-altertable-key
development=EXAMPLE-altertable-development-key
click='{"environment":"production","event":"Button Clicked","properties":{"page":"pricing"}}'
site='Origin: https://app.example.com'

send '200 The key in a header' "$url/track?sync=true" -H "X-API-Key: $key" -H "$json" -d "$click"

send '200 As a bearer token' "$url/track" -H "Authorization: Bearer $key" -H "$json" -d "$click"

send '200 In the query, with an array' "$url/track?apiKey=$key" -H "$json" -d "[$click,$click]"

send '204 A browser asks whether its page may send' "$url/track?apiKey=$key" -i -X OPTIONS -H "$site" \
	-H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: content-type'

send '200 And sends a beacon' "$url/track?apiKey=$key" -i -H "$site" -H 'Content-Type: text/plain;charset=UTF-8' -d "[$click]"

send '401 No key' "$url/track" -H "$json" -d "$click"

send '403 A development key in production' "$url/identify" -H "X-API-Key: $development" -H "$json" -d "$click"

send '400 One object without an environment' "$url/track" -H "X-API-Key: $key" -H "$json" -d "[$click,{\"event\":\"a\"}]"

send '403 Keys write only' "$url/track" -H "X-API-Key: $key"
