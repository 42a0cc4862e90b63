#!/bin/sh
# `npm run quickstart`: shows what dtrust does, on real images, a real engine and a real registry, on a machine
# that has nothing but Node.js (18 or newer) and npm. Everything it starts ends with it; everything it makes outside
# of this folder is removed.
set -eu
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null 2>&1; then
  echo 'quickstart: npm is not installed; get it with Node.js from https://nodejs.org' >&2
  exit 1
fi

# The Node that runs dtrust comes as a package, whatever the system's own is.
node=node_modules/.bin/node
runs() { [ -x "$1" ] && "$1" -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 1)' 2>/dev/null; }

# npm writes this file last: without it, an installation was never finished.
if [ ! -f node_modules/.package-lock.json ] || ! [ -x node_modules/.bin/esbuild ]; then
  echo 'quickstart: installing the npm packages (once)'
  npm ci --no-audit --no-fund --loglevel=error
fi
if ! runs "$node"; then
  node=$(command -v node || echo node)
  if ! runs "$node"; then
    echo 'quickstart: no Node.js 24 here that runs: neither the packaged one nor the one on PATH' >&2
    exit 1
  fi
fi

"$node" scripts/build.ts
exec "$node" scripts/quickstart/main.ts "$@"
