#!/usr/bin/env bash
# Installs moto, an S3 server that nobody here wrote, into .cache/venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/servers.env
[ -x .cache/venv/bin/moto_server ] && exit 0
mkdir -p .cache
if ! python3 -m venv .cache/venv 2>/dev/null; then
  bash .ci/apt.sh python3 python3-venv
  python3 -m venv .cache/venv
fi
.cache/venv/bin/pip install -q "moto[server]==$MOTO"
