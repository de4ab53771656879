#!/bin/sh
# Serve as in production. Started by `make serve`, the image and systemd; needs `python` with the requirements on the PATH.
set -eu
cd "$(dirname "$0")/.."
python manage.py migrate --check || {
  echo "error: not started, for the reason above; if there is none, run manage.py migrate: a migration is missing" >&2
  exit 1
}
# Otherwise, glibc keeps the 19 MB of a password hash for each thread that computed one.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
exec python -m gunicorn --config deploy/gunicorn.conf.py --bind "${HOST:-127.0.0.1}:${PORT:-8000}" --workers "${WORKERS:-2}" \
  "${APP:-healthcare.wsgi:application}"
