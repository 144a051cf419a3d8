#!/usr/bin/env bash
# All checks and tests, from a clean checkout: makes .venv, installs what is pinned, then runs the
# linters and pytest. Stops at the first check that fails and says how to run that one alone.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

usage() {
  cat <<'TEXT'
usage: ./test.sh [--fast | --faults | --no-checks] [pytest arguments]

  --fast       no Docker, browser, fault and slow tests
  --faults     only the fault tests, in their long form
  --no-checks  skip the linters
  --help       this text

Everything else goes to pytest, for example: ./test.sh --no-checks tests/test_fanout.py -k delete
TEXT
}

checks=1
select=()
targets=1
while [ $# -gt 0 ]; do
  case "$1" in
    --fast) select=(-m 'not docker and not browser and not faults and not slow') ;;
    --faults) export FANOUT_TEST_FAULTS=long; checks=0; select=(-m faults --timeout=1800) ;;
    --no-checks) checks=0 ;;
    --help|-h) usage; exit 0 ;;
    --) shift; break ;;
    *) break ;;
  esac
  shift
done
for argument in "$@"; do
  case "$argument" in tests|tests/*) targets=0 ;; esac
done

ensure_venv requirements-dev.txt
bin=$PWD/.venv/bin

check() { # what it is, then the command
  local what=$1
  shift
  info "$what"
  if ! "$@"; then
    fail "$what: failed" "run it alone: $*"
  fi
}

if [ "$checks" = 1 ]; then
  check 'ruff: rules' "$bin/ruff" check .
  check 'ruff: format' "$bin/ruff" format --check .
  check 'mypy' "$bin/mypy"
  check 'import-linter' "$bin/lint-imports"
  check 'shellcheck' "$bin/shellcheck" ./*.sh scripts/*.sh .ci/run
  check 'hadolint' "$bin/hadolint" Dockerfile
fi

info 'pytest'
if [ "$targets" = 1 ]; then
  exec "$bin/python" -m pytest ${select[@]+"${select[@]}"} "$@" tests/
fi
exec "$bin/python" -m pytest ${select[@]+"${select[@]}"} "$@"
