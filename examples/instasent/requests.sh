#!/usr/bin/env bash
# Sends requests to the example. A title says which status is to come; the last
# line of an answer shows the one that came, and what the backend saw.
# The slow token may send twice a day: start the example anew before the next run.
set -euo pipefail
url=${1:-http://localhost:8080}

# send TITLE CURL-ARGUMENTS…
send() {
	printf '\n# %s\n' "$1"
	curl -sS -w '\n=> %{http_code} %header{backend-saw}\n' "${@:2}"
}

json='Content-Type: application/json'
datasource='Authorization: Bearer EXAMPLE-instasent-datasource-token'
product='Authorization: Bearer EXAMPLE-instasent-product-token'
readonly='Authorization: Bearer EXAMPLE-instasent-read-only-token'
slow='Authorization: Bearer EXAMPLE-instasent-slow-token'
crm=$url/v1/project/shop/datasource/crm/stream
web=$url/v1/project/shop/datasource/web/stream

send '200 Reading a datasource' "$crm" -H "$datasource"

send '202 Writing to it' "$crm/contacts" -H "$datasource" -H "$json" -d '[{"email":"a@example.com"}]'

send '404 The token of another datasource' "$web" -H "$datasource"

send '202 A product token is good for all of them' "$web/events" -H "$product" -H "$json" -d '[{"event":"a"}]'

send '403 Unless it lacks the scope' "$web/events" -H "$readonly" -H "$json" -d '[{"event":"a"}]'

send '401 No token' "$crm"

send '400 An object' "$crm/contacts" -H "$datasource" -H "$json" -d '{"email":"a@example.com"}'

send '202 A batch counts once' "$crm/contacts" -i -H "$slow" -H "$json" -d '[{},{},{}]'

send '202 Twice' "$crm/contacts" -H "$slow" -H "$json" -d '[{},{},{}]'

send '429 Over the limit: no body' "$crm/contacts" -i -H "$slow" -H "$json" -d '[{},{},{}]'

send '202 Another endpoint has a limit of its own' "$crm/events" -H "$slow" -H "$json" -d '[{},{},{}]'
