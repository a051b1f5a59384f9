#!/bin/sh
# Installs the Python clients of the interop tests into target/interop-python, unless it is there.
set -eu
cd "$(dirname "$0")"
venv=../../target/interop-python
if ! cmp -s requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  # Debian packs what makes an environment apart from the interpreter.
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
  fi
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --only-binary :all: --requirement requirements.txt
  cp requirements.txt "$venv/requirements.txt"
fi
