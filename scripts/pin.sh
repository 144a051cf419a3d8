#!/usr/bin/env bash
# Writes requirements.txt and requirements-dev.txt from the .in files: every package that is needed,
# also by others, with its version and the hashes of its files for every platform.
#   scripts/pin.sh             keep the present versions where they still fit
#   scripts/pin.sh --upgrade   take the newest versions that fit
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  ''|--upgrade) ;;
  *) printf 'usage: scripts/pin.sh [--upgrade]\n' >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'uv>=0.9'

pin() { # SOURCE TARGET, then more options
  local source=$1 target=$2
  shift 2
  "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command scripts/pin.sh \
    --output-file "$target" "$@" "$source"
}
pin requirements.in requirements.txt "$@"
pin requirements-dev.in requirements-dev.txt --constraint requirements.txt "$@"
printf 'written: requirements.txt, requirements-dev.txt\n'
