#!/usr/bin/env bash
# Puts another version of Node into .cache/node-$1, from the package registry: the program itself is a package there.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
[ -x ".cache/node-$version/bin/node" ] && exit 0
case "$(uname -m)" in x86_64) machine=x64 ;; aarch64 | arm64) machine=arm64 ;; *) echo "no Node for $(uname -m)"; exit 1 ;; esac
mkdir -p ".cache/node-$version"
package=$(npm pack --silent --pack-destination .cache "node-linux-$machine@$version")
tar -xzf ".cache/$package" -C ".cache/node-$version" --strip-components 1
rm ".cache/$package"
".cache/node-$version/bin/node" --version
