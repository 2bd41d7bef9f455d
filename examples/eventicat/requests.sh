#!/usr/bin/env bash
# Sends requests to the example, and fails if one gets something else than it should.
# The slow account may send twice a day: restart the example before the next run.
source "$(dirname "$0")/../requests.bash"
url=${1:-http://localhost:8080}

json='Content-Type: application/json'
key=EXAMPLE-eventicat-key
before=EXAMPLE-eventicat-regenerated-key
slow=EXAMPLE-eventicat-slow-key
second=EXAMPLE-eventicat-second-slow-key
event=$url/api/event
signup='{"name": "user_signup"}'

ok='{"status":"ok"}'
invalid='{"error":"Invalid API key"}'

# limits LIMIT [REMAINING]: what the headers say.
limits() {
	has X-RateLimit-Limit "$1"
	has X-RateLimit-Remaining ${2+"$2"}
	has X-RateLimit-Reset
}

request 'All in the query: the key is gone' "$event?_id=agg_signups&_apikey=$key&name=user_signup"
passes 200 "$ok" 'GET /api/event?_id=agg_signups&name=user_signup'
limits 1000

request 'A bearer token' "$event?_id=agg_signups" -H "Authorization: Bearer $key" -H "$json" -d "$signup"
passes 200 "$ok" "POST /api/event?_id=agg_signups $signup"
limits 1000

request 'No key' "$event?_id=agg_signups&name=user_signup"
refused 401 "$invalid"
has Content-Type application/json
limits 1000

request 'The key from before it was regenerated' "$event?_id=agg_signups&_apikey=$before"
refused 401 "$invalid"
limits 1000

request 'The aggregator of another account' "$event?_id=agg_other&_apikey=$key"
refused 404 '{"error":"Invalid aggregator"}'
has Content-Type application/json
limits 1000

request 'An aggregator that does not exist' "$event?_id=nope" -H "Authorization: Bearer $key" -H "$json" -d "$signup"
refused 404 '{"error":"Invalid aggregator"}'

request 'No aggregator' "$event?_apikey=$key&name=user_signup"
refused 400 '{"error":"Missing parameter: _id","code":"missing_parameter"}'

request 'No such endpoint' "$url/api/aggregators?_apikey=$key"
refused 404 '{"error":"Not found"}'
has Content-Type application/json

request 'A slow account' "$event?_id=agg_slow&_apikey=$slow"
passes 200 "$ok" 'GET /api/event?_id=agg_slow'
limits 2 1

request 'Another key of it' "$event?_id=agg_slow&_apikey=$second"
passes 200 "$ok" 'GET /api/event?_id=agg_slow'
limits 2 0

request 'Over the limit: so are both keys' "$event?_id=agg_slow&_apikey=$slow"
refused 429 '{"error":"Rate limit exceeded","limit":2,"remaining":0,"resetTime":'"$(header X-RateLimit-Reset)"'}'
has Content-Type application/json
limits 2 0
