#!/usr/bin/env bash
# Installs the real buquet, the Python package whose format is ours, into .cache/buquet. It needs Python 3.11, 3.12 or 3.13.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.1.0
installed() { .cache/buquet/bin/python -c "import importlib.metadata as m, sys; sys.exit(m.version('buquet') != '$version')" 2>/dev/null; }
installed && exit 0

# A name in the path may be a shim that leads nowhere: each is asked.
find_python() {
  local name
  for name in python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}
if ! python=$(find_python); then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "buquet $version needs Python 3.11, 3.12 or 3.13 with venv; there is none, and only root on Debian or Ubuntu can be helped"
    exit 1
  fi
  for name in python3.13 python3.12 python3.11; do
    if bash .ci/apt.sh "$name" "$name-venv" 2>/dev/null; then break; fi
  done
  if ! python=$(find_python); then
    echo "buquet $version needs Python 3.11, 3.12 or 3.13 with venv; the packages of this system hold none of them"
    exit 1
  fi
fi
rm -rf .cache/buquet
mkdir -p .cache
"$python" -m venv .cache/buquet
.cache/buquet/bin/pip install -q --disable-pip-version-check "buquet==$version"
installed
