#!/usr/bin/env bash
# Starts a relay in a directory of its own, lets client.py check it, and stops it again.
#
#     tests/independent/run.sh [the relay's program, by default target/debug/sealpost]
#
# Needs python3 with venv and pip (Debian: python3-venv). Exits with 0 if all checks passed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/target/independent-venv
program=$(realpath -m -- "${1:-$root/target/debug/sealpost}")
[[ -f $program && -x $program ]] || { echo "run.sh: $program is no program; build it with: cargo build -p sealpost" >&2; exit 2; }

work=$(mktemp -d)
relay=

stop_relay() {
    [[ -n $relay ]] || return 0
    kill "$relay" 2>/dev/null || true
    # It gives its streams a few seconds to end.
    for _ in $(seq 100); do
        kill -0 "$relay" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$relay" 2>/dev/null || true
    wait "$relay" 2>/dev/null || true
    relay=
}

clean_up() {
    status=$?
    stop_relay
    if ((status != 0)) && [[ -s $work/relay.log ]]; then
        echo "--- the relay's log" >&2
        tail -n 50 "$work/relay.log" >&2
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

free_ports() {
    python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(listener.getsockname()[1] for listener in held))'
}

# Whether the relay has made its certificate and speaks TLS with it.
answers() {
    python3 - "$1" "$2" 2>/dev/null <<'PYTHON'
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.set_alpn_protocols(["h2"])
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as connection:
    with context.wrap_socket(connection, server_hostname="localhost") as tls:
        sys.exit(tls.selected_alpn_protocol() != "h2")
PYTHON
}

# No settings from the caller's surroundings.
for variable in "${!SEALPOST_@}"; do
    unset "$variable"
done

start_relay() {
    local admin
    read -r port admin < <(free_ports)
    rm -rf "$work/run"
    mkdir "$work/run"
    ca=$work/run/sealpost-data/tls/ca.pem
    (cd "$work/run" && exec "$program" serve --listen "127.0.0.1:$port" --listen-admin "127.0.0.1:$admin") \
        >"$work/relay.log" 2>&1 &
    relay=$!
    for _ in $(seq 150); do
        kill -0 "$relay" 2>/dev/null || break
        if answers "$port" "$ca"; then
            return 0
        fi
        sleep 0.2
    done
    stop_relay
    return 1
}

# Between the choice of a port and its use somebody else may take it.
start_relay || start_relay || start_relay || { echo "run.sh: the relay does not start" >&2; exit 1; }

timeout --kill-after=5 150 "$venv/bin/python" "$here/client.py" --relay "localhost:$port" --ca "$ca"
