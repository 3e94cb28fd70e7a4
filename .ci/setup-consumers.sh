#!/usr/bin/env bash
# Puts the compilers and schema libraries of users into .cache/consumers: test/types/consumer.test.ts compiles the packed package with each.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache/consumers
cat >.cache/consumers/package.json <<'EOF'
{
  "private": true,
  "dependencies": {
    "typescript-5.4": "npm:typescript@5.4.5",
    "typescript-5.7": "npm:typescript@5.7.3",
    "typescript-5.9": "npm:typescript@5.9.3",
    "typescript-6.0": "npm:typescript@6.0.3",
    "zod-3.25": "npm:zod@3.25.76",
    "zod-4.0": "npm:zod@4.0.17",
    "zod-4.1": "npm:zod@4.1.12",
    "valibot": "1.5.0",
    "arktype": "2.2.10"
  }
}
EOF
npm install --prefix .cache/consumers --no-audit --no-fund --no-package-lock
