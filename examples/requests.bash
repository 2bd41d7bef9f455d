# What the requests.sh of the examples share: sending a request with curl, and
# comparing what comes with what the API promises.
#
#	request TITLE CURL-ARGUMENTS…    sends a request
#	passes  STATUS BODY SEEN         the answer, and what the backend saw
#	refused STATUS BODY              the answer, and the backend saw nothing
#	has     HEADER [VALUE]           a header of the answer; any value will do without one
#	lacks   HEADER                   the answer has no such header
#
# A script fails if something else comes, and names the requests at its end.
set -euo pipefail

sent=0
title=
wrong=()
answer=$(mktemp -d)
trap finish EXIT

request() {
	title=$1
	sent=$((sent + 1))
	if ! status=$(curl -sS -o "$answer/body" -D "$answer/head" -w '%{http_code}' "${@:2}"); then
		complain 'no answer; is the example running?'
		exit 1
	fi
	body=$(cat "$answer/body" 2>/dev/null || true)
	rm -f "$answer/body"
	printf '%s %s\n' "$status" "$title"
}

passes() {
	answers "$1" "$2"
	has Backend-Saw "$3"
}

refused() {
	answers "$1" "$2"
	lacks Backend-Saw
}

answers() {
	[[ $status == "$1" ]] || complain "status $status, want $1"
	[[ $body == "$2" ]] || complain "body '$body', want '$2'"
}

has() {
	local got
	got=$(header "$1")
	if [[ -z $got || $# -gt 1 && $got != "$2" ]]; then
		complain "$1 '$got', want '${2-any}'"
	fi
}

lacks() {
	local got
	got=$(header "$1")
	[[ -z $got ]] || complain "$1 '$got', want none"
}

# header prints the value of a header of the answer.
header() {
	tr -d '\r' <"$answer/head" | awk -F': ' -v name="$1" 'tolower($1) == tolower(name) { print substr($0, length(name) + 3) }'
}

complain() {
	printf '    WRONG: %s\n' "$1" >&2
	if [[ ${#wrong[@]} -eq 0 || ${wrong[${#wrong[@]} - 1]} != "$title" ]]; then
		wrong+=("$title")
	fi
}

finish() {
	local code=$?
	rm -rf "$answer"
	if [[ ${#wrong[@]} -gt 0 ]]; then
		printf '\n%d of %d requests got something else:\n' "${#wrong[@]}" "$sent" >&2
		printf '    %s\n' "${wrong[@]}" >&2
		exit 1
	fi
	[[ $code -ne 0 ]] || printf '\nAll %d requests got what they should.\n' "$sent"
	exit "$code"
}
