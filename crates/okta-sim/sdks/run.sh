#!/usr/bin/env bash
# Lets Okta's official SDKs read a simulated org: with an API token, OAuth and OAuth with DPoP, over TLS,
# through a 429 and rate limit windows of some seconds. Both must read every event once, in order, and stop at the head:
#
#     crates/okta-sim/sdks/run.sh [python|node|all]
#
# Needs python3 with venv; the SDK for Node needs npm, and is told as skipped where that is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
case ${1:-all} in
all) sdks=(python node) ;;
python | node) sdks=("$1") ;;
*) echo "usage: $0 [python|node|all]" >&2 && exit 2 ;;
esac
python_sdk=okta==3.4.6
node_sdk=@okta/okta-sdk-nodejs@8.1.0

target=${CARGO_TARGET_DIR:-$root/target}
cache=$target/okta-sdks
work=$(mktemp -d)
sim=
# Only what this script started is ended.
trap '[[ -z $sim ]] || kill "$sim" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "FAILED: $1" >&2 && exit 1; }

cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p okta-collector
collector=$target/debug/okta-collector
[[ -x $cache/venv/bin/python ]] || python3 -m venv "$cache/venv"
"$cache/venv/bin/python" -m pip -q --disable-pip-version-check install "$python_sdk" ||
    fail "cannot install $python_sdk"

# Keys, a certificate and the description of the org.
"$collector" sim --print 60 --seed 11 >"$work/events.ndjson"
"$cache/venv/bin/python" "$here/prepare.py" "$work"
"$collector" sim --listen 127.0.0.1:0 --control 127.0.0.1:0 --orgs "$work/orgs.json" \
    --tls-cert "$work/cert.pem" --tls-key "$work/cert.key" 2>"$work/sim.log" &
sim=$!
for _ in $(seq 100); do
    grep -q 'control interface' "$work/sim.log" && break
    kill -0 "$sim" 2>/dev/null || fail "the simulator ended: $(cat "$work/sim.log")"
    sleep 0.1
done
url=$(grep -o 'https://[0-9.:]*' "$work/sim.log") || fail "no listener: $(cat "$work/sim.log")"
control=$(grep -o 'http://[0-9.:]*' "$work/sim.log") || fail "no control: $(cat "$work/sim.log")"

for sdk in "${sdks[@]}"; do
    case $sdk in
    python) story=(env SSL_CERT_FILE="$work/cert.pem" "$cache/venv/bin/python" "$here/story.py") ;;
    node)
        if ! command -v npm >/dev/null; then
            echo "SKIPPED: the Okta SDK for Node, for lack of npm"
            continue
        fi
        npm install --silent --no-audit --no-fund --prefix "$cache/node" "$node_sdk" ||
            fail "cannot install $node_sdk"
        story=(env NODE_PATH="$cache/node/node_modules" NODE_EXTRA_CA_CERTS="$work/cert.pem"
            node "$here/story.cjs")
        ;;
    esac
    for mode in ssws oauth dpop; do
        "$cache/venv/bin/python" "$here/refuse.py" "$control"
        "${story[@]}" "$url" "$mode" "$work" >"$work/read.json" ||
            fail "the SDK for $sdk with $mode: $(cat "$work/sim.log")"
        "$cache/venv/bin/python" "$here/judge.py" "$work" "$control" "$sdk" "$mode" ||
            fail "the SDK for $sdk with $mode"
    done
done
