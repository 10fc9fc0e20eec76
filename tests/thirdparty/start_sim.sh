# Sourced: starts a test tenant in $work and sets sim_pid, graph, proxy, admin, ca. $M365SIM names the program.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
M365SIM=${M365SIM:-$here/../../build/tests/simulator/m365sim}
if [ ! -x "$M365SIM" ]; then
    echo "third party: no m365sim at $M365SIM; build it and set M365SIM" >&2
    exit 2
fi
work=$(mktemp -d)
"$M365SIM" --dir "$work/sim" --users 2 --sites 1 --groups 0 --specials 0 "$@" >"$work/sim.json" 2>"$work/sim.err" &
sim_pid=$!
trap 'kill "$sim_pid" 2>/dev/null; wait "$sim_pid" 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    [ -s "$work/sim.json" ] && break
    kill -0 "$sim_pid" 2>/dev/null || { cat "$work/sim.err" >&2; exit 2; }
    read -rt 0.1 <> <(:) || true
done
field() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/sim.json" "$1"; }
graph=$(field graph)
proxy=$(field proxy)
admin=$(field admin)
ca=$(field ca_file)
