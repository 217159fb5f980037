#!/usr/bin/env bash
# Everything that must pass: format, lints, docs, all tests on both databases, the flows in a real browser.
# Options: --kills N    seeded kills per database (default 20; 200 before a release)
#          --seed S     seed of the kills, as a failed run printed it
#          --freqtrade  also a real Freqtrade, installed from PyPI below the target folder
set -euo pipefail
cd "$(dirname "$0")/.."

freqtrade=0
while [ $# -gt 0 ]; do
  case "$1" in
    --kills) export ANDON_TEST_KILLS=$2; shift 2 ;;
    --seed) export ANDON_TEST_SEED=$2; shift 2 ;;
    --freqtrade) freqtrade=1; shift ;;
    *) echo "unknown option $1; see the head of tests/run.sh" >&2; exit 2 ;;
  esac
done

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
command -v curl >/dev/null || missing+=(curl)
command -v jq >/dev/null || missing+=(jq)
command -v faketime >/dev/null || missing+=(faketime)
# Whichever Python has what the verifier in examples needs; a version manager's may not see the system's packages.
python() { for one in python3 /usr/bin/python3; do if "$one" -c 'import cryptography' 2>/dev/null; then echo "$one"; return; fi; done; return 1; }
python >/dev/null || missing+=(python3 python3-cryptography)
ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 || missing+=(postgresql)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
  else
    echo "missing: ${missing[*]}. Install them first, on Debian: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
ANDON_TEST_PYTHON=$(python)
export ANDON_TEST_PYTHON
if ! cargo nextest --version >/dev/null 2>&1; then
  cargo install --locked cargo-nextest
fi

step() { printf '\n== %s\n' "$*"; "$@"; }
step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
step cargo clippy --locked --test freqtrade -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --locked --no-deps --document-private-items
step cargo nextest run --locked
if [ $freqtrade = 1 ]; then
  rig="$(mkdir -p "${CARGO_TARGET_DIR:-target}/freqtrade" && cd "${CARGO_TARGET_DIR:-target}/freqtrade" && pwd)"
  export FREQTRADE_VENV="$rig/.venv"
  if [ ! -x "$FREQTRADE_VENV/bin/freqtrade" ]; then
    step python3 -m venv "$FREQTRADE_VENV"
    step "$FREQTRADE_VENV/bin/pip" install -q "freqtrade==${FREQTRADE_VERSION:-2026.9}"
  fi
  step cargo nextest run --locked --test freqtrade --no-capture 2>&1 | tee "$rig/transcript.txt"
fi
