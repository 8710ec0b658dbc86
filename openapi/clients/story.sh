#!/usr/bin/env bash
# Generates clients and lets each tell the story of docs/CLIENTS.md to a running service with a simulated
# org, on a private PostgreSQL:
#
#     openapi/clients/story.sh [python|typescript|rust|all]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-all} in
all) languages=(python typescript rust) ;;
python | typescript | rust) languages=("$1") ;;
*) echo "usage: $0 [python|typescript|rust|all]" >&2 && exit 2 ;;
esac

quoted=$(printf %q "$here")
declare -A command=(
    [python]="PYTHONPATH=$quoted/generated/python $quoted/.tools/venv/bin/python $quoted/python/story.py"
    [typescript]="node $quoted/typescript/build/story.js"
    [rust]="cargo run --quiet --locked --manifest-path $quoted/rust/Cargo.toml"
)
for language in "${languages[@]}"; do
    "$here/generate.sh" "$language"
    printf -- '-- the story in %s\n' "$language"
    STORY_COMMAND=${command[$language]} cargo test --quiet --locked \
        --manifest-path "$here/../../Cargo.toml" -p okta-collector --test clients -- --ignored --nocapture
done
