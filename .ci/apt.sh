#!/usr/bin/env bash
# Installs packages of the system. One caller at a time: the parts of CI go on side by side, and the lists have one lock.
set -euo pipefail
exec 9>"${TMPDIR:-/tmp}/buquet-workflow-apt.lock"
flock 9
apt-get update -qq
apt-get install -y -qq "$@"
