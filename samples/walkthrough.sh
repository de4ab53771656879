#!/usr/bin/env bash
# Walk through the API from registration to clean-up, with requests, responses and common errors.
# Exits with an error if a response has an unexpected status. Deletes everything but its two users and the history.
#   BASE=http://127.0.0.1:8000 samples/walkthrough.sh
set -euo pipefail

BASE=${BASE:-http://127.0.0.1:8000}
RUN=$(date +%s)$$
JANE="jane.$RUN@example.com" OSCAR="oscar.$RUN@example.com"
TOKEN= ANSWER=
HEADERS=$(mktemp)
trap 'rm -f "$HEADERS"' EXIT

say() { printf '\n# %s\n' "$*"; }

call() { # expected status, method, path, body or '', more headers...
  local expected=$1 method=$2 path=$3 body=$4 status
  shift 4
  local arguments=(-X "$method" "$BASE$path")
  [ -z "$TOKEN" ] || arguments+=(-H "Authorization: Bearer $TOKEN")
  [ -z "$body" ] || arguments+=(-H "Content-Type: ${TYPE:-application/json}" -d "$body")
  for header in "$@"; do arguments+=(-H "$header"); done
  { printf '$ curl'; printf " '%s'" "${arguments[@]}"; echo; } | short
  ANSWER=$(curl -sS -D "$HEADERS" "${arguments[@]}")
  status=$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' "$HEADERS")
  printf '%s %s\n' "$status" "$ANSWER" | short
  [ "$status" = "$expected" ] || { echo "error: expected $expected" >&2; exit 1; }
}

short() { sed -E "s/'(-?[-A-Za-z0-9:._/=]+)'/\1/g; s/eyJ[-A-Za-z0-9_.]*([-A-Za-z0-9_]{4})/eyJ…\1/g"; }
field() { printf '%s' "$ANSWER" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
header() { grep -i "^$1:" "$HEADERS" | tr -d '\r' | cut -d ' ' -f 2-; }

curl -fsS -o /dev/null "$BASE/readyz" || { echo "error: no server responds at $BASE; start one with make run" >&2; exit 1; }

say "Jane registers and logs in. The case of the e-mail does not matter."
call 201 POST /api/auth/register/ '{"name": "Jane Roe", "email": "'"$JANE"'", "password": "correct-horse-77"}'
call 200 POST /api/auth/login/ '{"email": "'"Jane.$RUN@Example.com"'", "password": "correct-horse-77"}'
ACCESS=$(field access) REFRESH=$(field refresh)

say "Without a token there is no access..."
call 401 GET /api/patients/ ''
say "...nor with a malformed one..."
TOKEN=garbled call 401 GET /api/patients/ ''
say "...nor with the refresh token."
TOKEN=$REFRESH call 401 GET /api/patients/ ''

say "With the access token Jane adds a patient."
TOKEN=$ACCESS
call 201 POST /api/patients/ '{"name": "Alice Smith", "age": 30, "gender": "Female", "phone": "9876543210"}'
PATIENT=$(field id) ETAG=$(header ETag)
say "The same patient again is refused, so a request can safely be retried."
call 400 POST /api/patients/ '{"name": "Alice Smith", "age": 30, "gender": "Female", "phone": "9876543210"}'

say "Errors name the fields that are missing or invalid."
call 400 POST /api/patients/ '{"name": "Bob Jones"}'
call 400 POST /api/patients/ '{"name": "Bob Jones", "age": "thirty", "gender": "robot", "phone": 9876543210}'
call 400 POST /api/patients/ '{"name": "Bob Jones",}'
TYPE=text/plain call 415 POST /api/patients/ 'name=Bob'

say "The slash at the end of a path is optional; unknown query parameters and wrong methods are errors."
call 200 GET "/api/patients/$PATIENT" ''
call 200 GET '/api/patients/?search=alice&ordering=-age' ''
call 400 GET '/api/patients/?colour=red' ''
call 405 DELETE /api/patients/ ''

say "Jane corrects the age. A change based on the old version is refused."
call 200 PATCH "/api/patients/$PATIENT/" '{"age": 31}' "If-Match: $ETAG"
call 412 PATCH "/api/patients/$PATIENT/" '{"age": 32}' "If-Match: $ETAG"
call 200 GET "/api/patients/$PATIENT/history/" ''

say "She imports patients from a CSV: a line that breaks a rule, or whose patient is there already, is refused."
TYPE=text/csv call 200 POST /api/patients/import/ $'name,age,gender,phone\nAda Example,36,F,5550100001\nBob Example,160,M,\nalice smith,31,F,9876543210'
call 200 GET '/api/patients/?search=ada&format=json' ''
ADA=$(printf '%s' "$ANSWER" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
call 200 GET '/api/patients/?format=csv' ''

say "She adds a doctor to the directory, which all users share, and assigns the doctor to the patient."
call 201 POST /api/doctors/ '{"name": "Dr. Robert Brown", "specialization": "Cardiologist", "phone": "9123456780", "email": "robert.'"$RUN"'@example.com"}'
DOCTOR=$(field id)
call 201 POST /api/mappings/ '{"patient": '"$PATIENT"', "doctor": '"$DOCTOR"'}'
MAPPING=$(field id)
call 200 GET "/api/mappings/$PATIENT/" ''
call 200 GET "/api/doctors/$DOCTOR/patients/" ''

say "Oscar is another user. He cannot see Jane's patient; he can see her doctor, but not change the entry."
TOKEN=
call 201 POST /api/auth/register/ '{"name": "Oscar Other", "email": "'"$OSCAR"'", "password": "correct-horse-77"}'
call 200 POST /api/auth/login/ '{"email": "'"$OSCAR"'", "password": "correct-horse-77"}'
TOKEN=$(field access)
call 404 GET "/api/patients/$PATIENT/" ''
call 400 POST /api/mappings/ '{"patient": '"$PATIENT"', "doctor": '"$DOCTOR"'}'
call 200 GET "/api/doctors/$DOCTOR/" ''
call 403 PATCH "/api/doctors/$DOCTOR/" '{"age": 45}'

say "While the doctor is assigned to one of his patients, Jane cannot delete the entry."
call 201 POST /api/patients/ '{"name": "Otto Other", "age": 0, "gender": "unknown", "phone": "+1 (987) 654-3210"}'
OTTO=$(field id)
call 201 POST /api/mappings/ '{"patient": '"$OTTO"', "doctor": '"$DOCTOR"'}'
TOKEN=$ACCESS call 409 DELETE "/api/doctors/$DOCTOR/" ''
call 200 DELETE "/api/patients/$OTTO/" ''

say "Jane cleans up."
TOKEN=$ACCESS
call 200 DELETE "/api/mappings/$MAPPING/" ''
call 404 DELETE "/api/mappings/$MAPPING/" ''
call 200 DELETE "/api/doctors/$DOCTOR/" ''
call 200 DELETE "/api/patients/$PATIENT/" ''
call 200 DELETE "/api/patients/$ADA/" ''

say "An access token is valid for 15 minutes; a refresh token can be exchanged once for a new pair."
TOKEN=
call 200 POST /api/auth/refresh/ '{"refresh": "'"$REFRESH"'"}'
NEWEST=$(field refresh)
call 200 POST /api/auth/logout/ '{"refresh": "'"$NEWEST"'"}'
call 401 POST /api/auth/refresh/ '{"refresh": "'"$NEWEST"'"}'

say "Done. All operations: $BASE/api/docs/"
