#!/bin/sh
# Installs the Python client of the interop tests into target/interop-python, unless it is there.
set -eu
cd "$(dirname "$0")"
venv=../../target/interop-python
if ! cmp -s requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --only-binary :all: --requirement requirements.txt
  cp requirements.txt "$venv/requirements.txt"
fi
