#!/usr/bin/env bash
# Runs the suite under other Node versions: scripts/versions.sh 22 24 26, or `22 -- vitest options`.
# Each version comes from npm's own `node` package, so nothing needs to be installed first.
set -u
cd "$(dirname "$0")/.." || exit 1

versions=()
while [ $# -gt 0 ] && [ "$1" != '--' ]; do
  versions+=("$1")
  shift
done
[ $# -gt 0 ] && shift
[ ${#versions[@]} -gt 0 ] || versions=(22 24 26)

status=0
for version in "${versions[@]}"; do
  echo "Node $version: $(npx --yes -p "node@$version" node --version 2>/dev/null)"
  npx --yes -p "node@$version" node node_modules/vitest/vitest.mjs run "$@" || status=1
done
exit $status
