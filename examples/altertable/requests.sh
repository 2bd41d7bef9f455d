#!/usr/bin/env bash
# Sends requests to the example, and fails if one gets something else than it should.
source "$(dirname "$0")/../requests.bash"
url=${1:-http://localhost:8080}

json='Content-Type: application/json'
key=EXAMPLE-altertable-key
development=EXAMPLE-altertable-development-key
revoked=EXAMPLE-altertable-revoked-key
click='{"environment":"production","event":"Button Clicked","properties":{"page":"pricing"}}'
user='{"environment":"production","distinct_id":"u1","traits":{"plan":"pro"}}'
alias='{"environment":"production","distinct_id":"u1","new_user_id":"u2"}'
tried='{"environment":"development","event":"Tried"}'
site='Origin: https://app.example.com'

ok='{"ok":true,"task_id":"00000000-0000-0000-0000-000000000000","error_code":null}'
invalid='{"error":{"message":"Invalid API key","code":"AUTHENTICATION_ERROR"}}'

# cors: the page at app.example.com may read the answer.
cors() {
	has Access-Control-Allow-Origin https://app.example.com
	has Access-Control-Allow-Credentials true
}

request 'The key in a header' "$url/track?sync=true" -H "X-API-Key: $key" -H "$json" -d "$click"
passes 200 "$ok" "POST /track?sync=true $click"

request 'As a bearer token' "$url/track" -H "Authorization: Bearer $key" -H "$json" -d "$click"
passes 200 "$ok" "POST /track $click"

request 'In the query, with an array' "$url/track?apiKey=$key" -H "$json" -d "[$click,$click]"
passes 200 "$ok" "POST /track [$click,$click]"

request 'Identifying a user' "$url/identify" -H "X-API-Key: $key" -H "$json" -d "$user"
passes 200 "$ok" "POST /identify $user"

request 'Joining two users' "$url/alias?apiKey=$key&sync=true" -H "$json" -d "$alias"
passes 200 "$ok" "POST /alias?sync=true $alias"

request 'A browser asks whether its page may send' "$url/track?apiKey=$key" -X OPTIONS -H "$site" \
	-H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: content-type'
refused 204 ''
cors
has Access-Control-Allow-Methods POST
has Access-Control-Allow-Headers content-type

request 'And sends a beacon' "$url/track?apiKey=$key" -H "$site" -H 'Content-Type: text/plain;charset=UTF-8' -d "[$click]"
passes 200 "$ok" "POST /track [$click]"
cors

request 'No key' "$url/track" -H "$site" -H "$json" -d "$click"
refused 401 "$invalid"
has Content-Type application/json
cors

request 'A revoked key' "$url/track" -H "X-API-Key: $revoked" -H "$json" -d "$click"
refused 401 "$invalid"

request 'A development key' "$url/track" -H "X-API-Key: $development" -H "$json" -d "$tried"
passes 200 "$ok" "POST /track $tried"

request 'A development key in production' "$url/identify" -H "X-API-Key: $development" -H "$json" -d "$user"
refused 403 '{"error":{"message":"Invalid environment","code":"FORBIDDEN"}}'
has Content-Type application/json

request 'One object without an environment' "$url/track" -H "X-API-Key: $key" -H "$json" -d "[$click,{\"event\":\"a\"}]"
refused 400 '{"error":{"message":"Missing environment","code":"INVALID_REQUEST"}}'

request 'Keys write only' "$url/track" -H "X-API-Key: $key"
refused 403 '{"error":{"message":"API key lacks the required scope","code":"FORBIDDEN"}}'

request 'A path that does not exist' "$url/keys?apiKey=$key" -H "$site" -H "$json" -d "$click"
refused 404 '{"error":{"message":"Not found","code":"NOT_FOUND"}}'
has Content-Type application/json
cors
