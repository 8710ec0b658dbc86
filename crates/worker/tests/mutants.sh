#!/usr/bin/env bash
# Takes away, one at a time, what keeps the log whole, and shows that the random schedules notice:
# each mutant is the shipped code with one named change. Works on a copy, in a few minutes.
#   crates/worker/tests/mutants.sh [SEEDS]
set -euo pipefail
cd "$(dirname "$0")/../../.."
seeds=${1:-200}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git archive HEAD | tar -x -C "$copy"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} COLLECTOR_TEST_SEEDS=$seeds

# name, file, the shipped text, what becomes of it
mutant() {
    local name=$1 file=$copy/$2 from=$3 to=$4
    cp "$file" "$file.shipped"
    FROM=$from TO=$to perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/ or die "the text is not in the file\n"' "$file"
    if (cd "$copy" && cargo test --quiet --locked -p worker --test it --no-run && ! cargo test --quiet --locked -p worker --test it schedules >"$copy/log" 2>&1); then
        printf 'caught    %s: %s\n' "$name" "$(grep -m 1 -o 'seed [0-9]*: .*' "$copy/log" || echo 'failed without naming a seed')"
    else
        printf 'SURVIVED  %s\n' "$name"
        survived=1
    fi
    mv "$file.shipped" "$file"
    touch "$file"
}

survived=0
mutant 'the overlap removed' crates/worker/src/poll/query.rs 'const OVERLAP: TimeDelta = TimeDelta::minutes(10);' 'const OVERLAP: TimeDelta = TimeDelta::zero();'
mutant 'the dedupe removed' crates/store/src/intake.rs 'if contents.contains(&event.content) {' 'if false {'
mutant 'the fallback removed' crates/worker/src/poll/trouble.rs 'OktaError::CursorRefused { .. } | OktaError::ForeignCursor { .. } => Handled::Restart,' 'OktaError::CursorRefused { .. } | OktaError::ForeignCursor { .. } => Handled::Retry(Trouble::OktaUnavailable, detail),'
exit "$survived"
