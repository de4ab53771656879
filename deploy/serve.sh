#!/bin/sh
# Serve as in production: what `make serve`, the image and its hosts start. Wants `python` and `granian` on the PATH.
set -eu
cd "$(dirname "$0")/.."
python manage.py migrate --check || {
  echo "error: the database does not answer, or misses a migration (python manage.py migrate)." >&2
  exit 1
}
# At SIGTERM granian finishes the requests in flight, and kills a worker that has not after 30 seconds.
exec granian --interface wsgi --host "${HOST:-127.0.0.1}" --port "${PORT:-8000}" --workers "${WORKERS:-2}" \
  --blocking-threads 16 --no-access-log --respawn-failed-workers --workers-kill-timeout 30 "${APP:-healthcare.wsgi:application}"
