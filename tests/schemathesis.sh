#!/usr/bin/env bash
# Installs Schemathesis from PyPI below the target folder, once, and tells the tests where it is.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
venv="$(cd "$target" && pwd)/schemathesis/4.32.5"
if ! "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "schemathesis==4.32.5" >&2
fi
echo "ANDON_TEST_SCHEMATHESIS=$venv/bin/schemathesis" >> "${NEXTEST_ENV:-/dev/stdout}"
