#!/usr/bin/env bash
# Sends requests to the example. A title says which status is to come; the last
# line of an answer shows the one that came, and what the backend saw.
# The slow account may send twice a day: start the example anew before the next run.
set -euo pipefail
url=${1:-http://localhost:8080}

# send TITLE CURL-ARGUMENTS…
send() {
	printf '\n# %s\n' "$1"
	curl -sS -w '\n=> %{http_code} %header{backend-saw}\n' "${@:2}"
}

json='Content-Type: application/json'
key=EXAMPLE-eventicat-key
slow=EXAMPLE-eventicat-slow-key
second=EXAMPLE-eventicat-second-slow-key
event=$url/api/event

send '200 All in the query: the key is gone' "$event?_id=agg_signups&_apikey=$key&name=user_signup"

send '200 A bearer token' "$event?_id=agg_signups" -H "Authorization: Bearer $key" -H "$json" -d '{"name":"user_signup"}'

send '401 No key' "$event?_id=agg_signups&name=user_signup"

send '404 The aggregator of another account' "$event?_id=agg_other&_apikey=$key"

send '400 No aggregator' "$event?_apikey=$key&name=user_signup"

send '200 A slow account' "$event?_id=agg_slow&_apikey=$slow" -i

send '200 Another key of it' "$event?_id=agg_slow&_apikey=$second"

send '429 Over the limit: so are both keys' "$event?_id=agg_slow&_apikey=$slow" -i
