#!/usr/bin/env bash
# Sends requests to the example, and fails if one gets something else than it should.
# The slow tokens may send twice a day: restart the example before the next run.
source "$(dirname "$0")/../requests.bash"
url=${1:-http://localhost:8080}

json='Content-Type: application/json'
datasource='Authorization: Bearer EXAMPLE-instasent-datasource-token'
replacement='Authorization: Bearer EXAMPLE-instasent-replacement-token'
revoked='Authorization: Bearer EXAMPLE-instasent-revoked-token'
product='Authorization: Bearer EXAMPLE-instasent-product-token'
readonly='Authorization: Bearer EXAMPLE-instasent-read-only-token'
slow='Authorization: Bearer EXAMPLE-instasent-slow-token'
other='Authorization: Bearer EXAMPLE-instasent-other-slow-token'
crm=/v1/project/shop/datasource/crm/stream
web=/v1/project/shop/datasource/web/stream
blog=/v1/project/blog/datasource/crm/stream

read='{"project":"shop","type":"API"}'
accepted='{"items":[{"index":0,"status":"accepted"}]}'

# limits LIMIT [REMAINING]: what the headers say.
limits() {
	has X-RateLimit-Limit "$1"
	has X-RateLimit-Remaining ${2+"$2"}
	has X-RateLimit-Reset
}

request 'Reading a datasource' "$url$crm" -H "$datasource"
passes 200 "$read" "GET $crm"
limits 600

request 'Writing to it' "$url$crm/contacts" -H "$datasource" -H "$json" -d '[{"email":"a@example.com"}]'
passes 202 "$accepted" "POST $crm/contacts "'[{"email":"a@example.com"}]'
limits 600

request 'Rotation: the token that is to replace it' "$url$crm/events" -H "$replacement" -H "$json" -d '[{"event":"a"}]'
passes 202 "$accepted" "POST $crm/events "'[{"event":"a"}]'

request 'Rotation: meanwhile the old one' "$url$crm/events" -H "$datasource" -H "$json" -d '[{"event":"a"}]'
passes 202 "$accepted" "POST $crm/events "'[{"event":"a"}]'

request 'Rotation: a token that was revoked' "$url$crm/events" -H "$revoked" -H "$json" -d '[{"event":"a"}]'
refused 401 '{"message":"Invalid API key"}'
has Content-Type application/json
limits 600

request 'No token' "$url$crm"
refused 401 '{"message":"Missing API key"}'
limits 600

request 'The token of another datasource' "$url$web" -H "$datasource"
refused 404 '{"message":"Invalid datasource"}'
has Content-Type application/json
lacks X-RateLimit-Limit

request 'The token of another project, which knows nothing of the limit' "$url$crm" -H "$other"
refused 404 '{"message":"Invalid project"}'
lacks X-RateLimit-Limit

request 'A project that does not exist' "$url/v1/project/nope/datasource/crm/stream" -H "$product"
refused 404 '{"message":"Invalid project"}'

request 'A product token is good for all datasources' "$url$web/events" -H "$product" -H "$json" -d '[{"event":"a"}]'
passes 202 "$accepted" "POST $web/events "'[{"event":"a"}]'

request 'Unless it lacks the scope' "$url$web/events" -H "$readonly" -H "$json" -d '[{"event":"a"}]'
refused 403 '{"message":"API key lacks the required scope"}'

request 'An object' "$url$crm/contacts" -H "$datasource" -H "$json" -d '{"email":"a@example.com"}'
refused 400 '{"message":"Body should be an array"}'

request 'No items' "$url$crm/contacts" -H "$datasource" -H "$json" -d '[]'
refused 400 '{"message":"Request body has too few items"}'

request '101 items' "$url$crm/contacts" -H "$datasource" -H "$json" -d "[$(printf '{},%.0s' {1..100}){}]"
refused 400 '{"message":"Request body has too many items"}'
limits 600

request 'No such endpoint' "$url/v1/project/shop/datasource/crm" -H "$datasource"
refused 404 '{"message":"Not found"}'
has Content-Type application/json

request 'A batch counts once' "$url$crm/contacts" -H "$slow" -H "$json" -d '[{},{},{}]'
passes 202 "$accepted" "POST $crm/contacts [{},{},{}]"
limits 2 1

request 'The second' "$url$crm/contacts" -H "$slow" -H "$json" -d '[{},{},{}]'
passes 202 "$accepted" "POST $crm/contacts [{},{},{}]"
limits 2 0

request 'Over the limit: no body' "$url$crm/contacts" -H "$slow" -H "$json" -d '[{},{},{}]'
refused 429 ''
limits 2 0
has Retry-After

request 'Another endpoint has a limit of its own' "$url$crm/events" -H "$slow" -H "$json" -d '[{},{},{}]'
passes 202 "$accepted" "POST $crm/events [{},{},{}]"
limits 2 1

request 'So has a datasource of that name in another project' "$url$blog/contacts" -H "$other" -H "$json" -d '[{}]'
passes 202 "$accepted" "POST $blog/contacts [{}]"
limits 2 1
