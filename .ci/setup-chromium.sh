#!/usr/bin/env bash
# Sees to it that there is a Chromium: the tests of the drawings and of the inspect page need one.
set -euo pipefail
[ -n "${CHROMIUM_PATH:-}" ] && exec "$CHROMIUM_PATH" --version
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null && exec "$name" --version
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "there is no Chromium, and only root on Debian or Ubuntu can be helped: install one, or name it in CHROMIUM_PATH"
  exit 1
fi
bash "$(dirname "$0")/apt.sh" chromium
chromium --version
