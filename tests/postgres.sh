#!/usr/bin/env bash
# Starts a throw-away PostgreSQL cluster for the tests and tells them where it is. It ends with the test runner.
# Beside it is a folder for what the tests of a run make once for all of them.
# PostgreSQL refuses to run as root, so root runs it as the user postgres.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if [ -z "$bin" ]; then bin=$(dirname "$(command -v initdb || true)"); fi
if [ ! -x "$bin/initdb" ]; then
  echo "PostgreSQL is not installed: apt-get install postgresql" >&2
  exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/andon-postgres.XXXXXX")
as=()
if [ "$(id -u)" = 0 ]; then
  chown postgres "$dir"
  as=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
mkdir "$dir/made"
cd "$dir"
"${as[@]}" "$bin/initdb" -D "$dir/data" -U andon -A trust --no-sync >/dev/null
# Loopback by its socket only; its own durability is not what is tested here.
"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
  -o "-c listen_addresses='' -k $dir -c fsync=off -c max_connections=300 -c shared_buffers=64MB" start >/dev/null

runner=${ANDON_TEST_RUNNER:-$PPID}
(
  exec </dev/null >/dev/null 2>&1
  while kill -0 "$runner" 2>/dev/null; do sleep 1; done
  "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop
  rm -rf "$dir"
) &
disown

echo "ANDON_TEST_POSTGRES=postgres://andon@localhost/postgres?host=$dir" >> "${NEXTEST_ENV:-/dev/stdout}"
echo "ANDON_TEST_MADE=$dir/made" >> "${NEXTEST_ENV:-/dev/stdout}"
