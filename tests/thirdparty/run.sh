#!/bin/bash
# Programs that nobody here wrote, against the test tenant (README.md). Node's modules go into a folder of their own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export M365SIM=${M365SIM:-$here/../../build/tests/simulator/m365sim}

bash "$here/run_compose.sh"
bash "$here/run_rclone.sh"

modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$here/run_graph_client.mjs" "$modules/"
(cd "$modules" && npm ci --no-audit --no-fund --loglevel=error)
(cd "$modules" && M365SIM=$(realpath "$M365SIM") node run_graph_client.mjs)
