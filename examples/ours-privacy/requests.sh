#!/usr/bin/env bash
# Sends requests to the example, and fails if one gets something else than it should.
source "$(dirname "$0")/../requests.bash"
url=${1:-http://localhost:8080}

json='Content-Type: application/json'
live=EXAMPLE-ours-live-key
second=EXAMPLE-ours-second-source-key
test=EXAMPLE-ours-test-mode-key
retired=EXAMPLE-ours-retired-key
api=$url/api/v1

ok='{"success":true}'
failed='{"success":false}'

request 'An event: the token is gone' "$api/track" -H "$json" -d '{"event":"Purchase","userId":"user123","token":"'$live'"}'
passes 200 "$ok" 'live: POST /api/v1/track {"event":"Purchase","userId":"user123"}'

request 'A visitor' "$api/identify" -H "$json" -d '{"token":"'$live'","externalId":"x1","traits":{"plan":"pro"}}'
passes 200 "$ok" 'live: POST /api/v1/identify {"externalId":"x1","traits":{"plan":"pro"}}'

request 'An event in Test Mode: the other backend' "$api/track" -H "$json" -d '{"event":"Purchase","userId":"user123","token":"'$test'"}'
passes 200 "$ok" 'test: POST /api/v1/track {"event":"Purchase","userId":"user123"}'

request 'A batch: one token for all rows' "$api/batch" -H "$json" \
	-d '{"token":"'$live'","events":[{"event":"a","userId":"user123"},{"event":"b","email":"b@example.com"}]}'
passes 200 "$ok" 'live: POST /api/v1/batch {"events":[{"event":"a","userId":"user123"},{"event":"b","email":"b@example.com"}]}'

request 'A token in a row goes, whatever it is' "$api/batch" -H "$json" \
	-d '{"token":"'$live'","events":[{"userId":"user123","token":"'$live'"},{"userId":"user124","token":"fcm-device-token"}]}'
passes 200 "$ok" 'live: POST /api/v1/batch {"events":[{"userId":"user123"},{"userId":"user124"}]}'

request 'But does not say whose the batch is' "$api/batch" -H "$json" -d '{"events":[{"userId":"user123","token":"'$live'"}]}'
refused 401 "$failed"

request 'A batch without rows' "$api/batch" -H "$json" -d '{"token":"'$live'","events":[]}'
passes 200 "$ok" 'live: POST /api/v1/batch {"events":[]}'

request 'Rotation: the key of the new source' "$api/track" -H "$json" -d '{"userId":"user123","token":"'$second'"}'
passes 200 "$ok" 'live: POST /api/v1/track {"userId":"user123"}'

request 'Rotation: meanwhile that of the old one' "$api/track" -H "$json" -d '{"userId":"user123","token":"'$live'"}'
passes 200 "$ok" 'live: POST /api/v1/track {"userId":"user123"}'

request 'Rotation: that of a source that was retired' "$api/identify" -H "$json" -d '{"userId":"user123","token":"'$retired'"}'
refused 401 "$failed"
has Content-Type application/json

request 'The key where it does not belong' "$api/track" -H "$json" -H "Authorization: Bearer $live" -d '{"event":"Purchase","userId":"user123"}'
refused 401 "$failed"

request 'Whose event?' "$api/track" -H "$json" -d '{"event":"Purchase","token":"'$live'"}'
refused 400 "$failed"

request "A row of a batch that is nobody's" "$api/batch" -H "$json" -d '{"token":"'$live'","events":[{"userId":"user123"},{"event":"b"}]}'
refused 400 "$failed"

request 'Malformed JSON' "$api/track" -H "$json" -d '{"event":'
refused 400 "$failed"

request 'No such endpoint' "$api/alias" -H "$json" -d '{"userId":"user123","token":"'$live'"}'
refused 404 "$failed"
has Content-Type application/json
