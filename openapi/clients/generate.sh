#!/usr/bin/env bash
# Makes clients from the committed OpenAPI documents, with pinned generators:
#
#     openapi/clients/generate.sh [python|typescript|rust|all] [--out DIR]
#
# Python: a package in DIR/python. TypeScript: DIR/typescript/schema.d.ts, for openapi-fetch. DIR is
# openapi/clients/generated unless told. Rust: nothing is written, a macro generates while the package
# openapi/clients/rust is compiled. Generators are installed below openapi/clients, nowhere else.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
language=all
out=$here/generated
while (($#)); do
    case $1 in
    python | typescript | rust | all) language=$1 ;;
    --out) out=$(mkdir -p "${2:?--out needs a folder}" && cd "$2" && pwd) && shift ;;
    *) echo "usage: $0 [python|typescript|rust|all] [--out DIR]" >&2 && exit 2 ;;
    esac
    shift
done

needs() { # program, what to do
    command -v "$1" >/dev/null || { echo "$0: $1 is missing; $2" >&2 && exit 1; }
}

# Runs the rest of the line only if what FILE describes is not installed yet in FOLDER.
unless_installed() { # file, folder, command..
    local file=$1 folder=$2
    shift 2
    cmp -s "$file" "$folder/.installed" && return
    "$@"
    cp "$file" "$folder/.installed"
}

install_python() {
    rm -rf "$here/.tools/venv"
    python3 -m venv "$here/.tools/venv"
    "$here/.tools/venv/bin/pip" install --quiet --requirement "$here/python/requirements.txt"
}

python() {
    needs python3 "3.11 or newer is needed, with venv (Debian: python3-venv)"
    unless_installed "$here/python/requirements.txt" "$here/.tools/venv" install_python
    # The generator looks for ruff.
    local PATH=$here/.tools/venv/bin:$PATH document
    for document in openapi.json openapi-3.0.json; do
        openapi-spec-validator "$here/../$document"
    done
    openapi-python-client generate --fail-on-warning --overwrite \
        --path "$here/../openapi.json" --output-path "$out/python"
}

typescript() {
    needs npm "Node.js 20 or newer is needed"
    cd "$here/typescript"
    unless_installed package-lock.json node_modules npm ci --silent --ignore-scripts
    mkdir -p "$out/typescript"
    # A field with a default may be left out of a request; every field of an answer is marked as required.
    npx --no-install openapi-typescript ../../openapi.json --default-non-nullable false \
        --output "$out/typescript/schema.d.ts"
    # The story is compiled against what lies in the default folder.
    if [[ $out == "$here/generated" ]]; then
        npx --no-install tsc --project .
    fi
}

rust() {
    needs cargo "install Rust as rust-toolchain.toml says"
    cargo build --locked --manifest-path "$here/rust/Cargo.toml"
}

for one in python typescript rust; do
    if [[ $language == "$one" || $language == all ]]; then
        (set -e && "$one")
    fi
done
