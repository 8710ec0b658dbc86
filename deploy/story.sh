#!/usr/bin/env bash
# The compose story, from a clean clone to `down -v`, with counts: needs git, curl and Docker with Compose.
#
#   deploy/story.sh
#
# It builds the commit that is checked out, brings everything up with `--profile demo`, compares what the simulated
# org shows with what has arrived, event by event, gives the work to three workers, restarts each of them
# under load, and compares again. Exits 0 only if no event is lost. Touches nothing but its own project.
set -euo pipefail
export LC_ALL=C
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=okta-collector-story COLLECTOR_IMAGE=okta-collector:story
export COLLECTOR_PORT=${COLLECTOR_PORT:-18080} DEMO_ORG_PORT=${DEMO_ORG_PORT:-19000} DEMO_RECEIVER_PORT=${DEMO_RECEIVER_PORT:-19100}
# Events a second that the org makes, and further sources that read all of them.
export DEMO_RATE=${DEMO_RATE:-200}
sources=8
api=http://127.0.0.1:$COLLECTOR_PORT org=http://127.0.0.1:$DEMO_ORG_PORT receiver=http://127.0.0.1:$DEMO_RECEIVER_PORT
compose() { docker compose --progress quiet --profile demo "$@"; }

finish() {
    local code=$?
    trap - EXIT
    if [[ $code != 0 ]]; then
        echo "the story broke off; how it was:" >&2
        compose ps --all >&2 || true
        compose logs --tail 20 >&2 || true
    fi
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    docker image rm "$COLLECTOR_IMAGE" >/dev/null 2>&1 || true
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT

rows=() begun=$SECONDS
# Notes what has happened since the row before.
row() {
    rows+=("$(printf '%5s s  %-30s %s' $((SECONDS - begun)) "$1" "$2")")
    printf '%s\n' "${rows[-1]}"
    begun=$SECONDS
}
fail() { echo "failed: $1" >&2; exit 1; }

uuids() { { grep -oE '"uuid":"[0-9a-f-]{36}"' || true; } | cut -d'"' -f4 | sort -u; }

# What the org shows by its own log API, read until a page is not full.
read_org() {
    local url="$org/api/v1/logs?since=1970-01-01T00:00:00Z&limit=1000" count=1000
    : >"$work/org"
    while ((count == 1000)); do
        curl -fsS -D "$work/head" -H 'Authorization: SSWS 00demo' "$url" | uuids >"$work/page"
        cat "$work/page" >>"$work/org"
        count=$(wc -l <"$work/page")
        url=$(tr -d '\r' <"$work/head" | sed -n 's/^link: <\(.*\)>; rel="next"$/\1/pI')
    done
    sort -u "$work/org" >"$work/org.ids"
}

# Every event that the org shows now must have arrived within a minute, over each of so many routes.
compare() {
    local file files lost limit=$((SECONDS + 60))
    read_org
    while true; do
        rm -rf "$work/out" && mkdir "$work/out"
        compose cp receiver:/data/received.ndjson "$work/out/webhook" >/dev/null 2>&1 || true
        if (($1 > 1)); then compose cp --index 1 worker:/data "$work/out/files" >/dev/null 2>&1 || true; fi
        mapfile -t files < <(find "$work/out" -type f)
        lost=0
        for file in "${files[@]}"; do
            lost=$((lost + $(uuids <"$file" | comm -23 "$work/org.ids" - | wc -l)))
        done
        if ((lost == 0 && ${#files[@]} == $1)); then break; fi
        ((SECONDS < limit)) || fail "org $(wc -l <"$work/org.ids"), files ${#files[@]} of $1, lost $lost"
        sleep 1
    done
    row "compared" "org $(wc -l <"$work/org.ids"), routes $1, arrived $(cat "${files[@]}" | wc -l), lost $lost"
}

# Runs of jobs that a worker has counted, asked from inside: its probes are not published.
runs() {
    local address
    address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1")
    compose exec -T db bash -c "exec 3<>/dev/tcp/$address/8081 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3" |
        awk '/^okta_collector_job_runs_total/ { sum += $NF } END { print sum + 0 }'
}

post() {
    curl -fsS "$api$1" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$2" |
        sed -n 's/^{[^{]*"id":"\([^"]*\)".*/\1/p'
}

echo "the story of $(git -C "$root" rev-parse --short HEAD), at $DEMO_RATE events a second"
git clone --quiet "$root" "$work/clone"
cd "$work/clone"
compose down --volumes >/dev/null 2>&1 || true
compose build --quiet
row "image built" "$(docker image inspect -f '{{.Size}}' "$COLLECTOR_IMAGE" | awk '{ printf "%.0f MB", $1 / 1e6 }')"

compose up -d --build --wait
row "up, healthy: events flow" "$(curl -fsS "$receiver/counts" | grep -oE '"(events|repeats)":[0-9]+' | head -n 2 | tr '\n' ' ')"
compare 1

compose cp api:/secrets/api.key "$work/api.key" >/dev/null 2>&1
key=$(cat "$work/api.key")
credential=$(curl -fsS "$api/v1/credentials" -H "Authorization: Bearer $key" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
for n in $(seq "$sources"); do
    file=$(post /v1/destinations "{\"name\": \"copy $n\", \"kind\": \"file\", \"file\": {\"path\": \"copy-$n.ndjson\"}}")
    post /v1/sources "{\"display_name\": \"copy $n\", \"credential_id\": \"$credential\", \"destination_ids\": [\"$file\"],
        \"refresh_frequency\": \"10s\", \"start\": \"earliest\"}" >/dev/null
done
compose up -d --wait --scale worker=3
mapfile -t workers < <(compose ps -q worker)
((${#workers[@]} == 3)) || fail "there are ${#workers[@]} workers, not 3"
# Each must run jobs from here on; at most 60 s, as sources are due every 10.
first=()
for worker in "${workers[@]}"; do first+=("$(runs "$worker")"); done
limit=$((SECONDS + 60))
while true; do
    shares=() idle=0
    for n in 0 1 2; do
        shares+=($(($(runs "${workers[n]}") - first[n])))
        if ((shares[n] < 10)); then idle=1; fi
    done
    if ((!idle)); then break; fi
    if ((SECONDS >= limit)); then fail "not all workers run jobs: ${shares[*]}"; fi
    sleep 1
done
row "three workers, nine sources" "jobs run by each: ${shares[*]}"

for worker in "${workers[@]}"; do
    docker stop "$worker" >/dev/null
    code=$(docker inspect -f '{{.State.ExitCode}}' "$worker")
    [[ $code == 0 ]] || fail "a worker did not drain: exit code $code"
    docker start "$worker" >/dev/null
    until [[ $(docker inspect -f '{{.State.Health.Status}}' "$worker") == healthy ]]; do sleep 1; done
done
row "each worker stopped, started" "exit codes 0"
compare $((sources + 1))

compose up -d --wait --no-deps --force-recreate --scale worker=3 api worker
row "api and workers recreated" "healthy"
compare $((sources + 1))
repeats=$(curl -fsS "$receiver/counts" | grep -oE '"repeats":[0-9]+' | head -n 1 | cut -d: -f2)

compose down --volumes
row "down" "volumes removed"

printf '\n%7s  %-30s %s\n' time step outcome
printf '%s\n' "${rows[@]}"
echo "lost 0; sent to the receiver twice: $repeats; $SECONDS s in all"
