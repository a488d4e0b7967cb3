#!/usr/bin/env bash
# The one gate: everything that must pass. `./ci.sh quick` is the part for between two edits.
# Needs Rust (stable), a C compiler and make; installs nothing but what cargo fetches.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --no-fail-fast "$@"
    else
        cargo test --locked --no-fail-fast "$@"
    fi
}

step "format"
cargo fmt --all --check

if [ "${1:-}" = quick ]; then
    step "lints of what is quick to check"
    cargo clippy --locked --workspace --lib --bins -- -D warnings
    step "tests of the pure parts and of the rules of the house"
    tests -p tradewind-domain -p tradewind-protocol -p tradewind-sdk -p tradewind-tests-tidy
    step "done"
    exit 0
fi

step "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings

step "the release binary"
cargo build --locked --release --bin tradewind

# Beside the tests, most of which wait for processes and sockets, and at the lowest priority: what later steps are built of,
# and what is made of the documentation.
aside() {
    step "beside: the simulation and the faults are built"
    cargo test --locked --profile simulation -p simulation --no-run
    cargo build --locked --release -p jepsen-like
    step "beside: examples in the documentation"
    cargo test --locked --workspace --doc
    step "beside: documentation"
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
}
said="$(mktemp)"
calm=(nice -n 19)
command -v ionice >/dev/null && calm+=(ionice -c 3)
# A process group of its own, which ends whole when this does.
set -m
"${calm[@]}" bash -c "set -euo pipefail; SECONDS=$SECONDS; $(declare -f step aside); aside" >"$said" 2>&1 &
aside=$!
set +m
trap 'kill -- "-$aside" 2>/dev/null || true; rm -f "$said"' EXIT

step "tests"
TRADEWIND_BINARY="$PWD/target/release/tradewind" tests --workspace --exclude simulation || tested=$?

step "what went on beside the tests"
wait "$aside" || beside=$?
cat "$said"
[ "${tested:-0}" -eq 0 ] && [ "${beside:-0}" -eq 0 ]

step "simulation: kept, fixed and fresh seeds; a seed repeats; planted bugs are caught"
profile=--profile
cargo nextest --version >/dev/null 2>&1 && profile=--cargo-profile
tests "$profile" simulation -p simulation
cargo run --locked --profile simulation -p simulation -- --gate

step "the document of the interface, by its own validator"
if command -v openapi-spec-validator >/dev/null; then
    openapi-spec-validator docs/openapi.json
else
    echo "skipped: pip install openapi-spec-validator"
fi

step "the demo, checked"
./target/release/tradewind demo --for 20s --check -o json

step "the demo at Kraken's simulator, checked"
./target/release/tradewind demo --venue kraken-sim --for 20s --check -o json

step "the demo, checked, with a kill of each kind"
./target/release/tradewind demo --for 40s --check --chaos 8s --seed 7 -o json

step "faults against real processes: a part of all pairs that changes with the day; the seed is printed"
faults="$(mktemp -d)"
day="$(( $(date +%s) / 86400 ))"
TRADEWIND_BINARY="$PWD/target/release/tradewind" ./target/release/jepsen-like run --all \
    --part "$(( day % 32 + 1 ))/32" --time 14s --seed "$day" --out "$faults/runs" || verdict=$?
# 2: unknown, such as a load too low on a busy machine, or a fault that did not bite: said above, and no bug found.
[ "${verdict:-0}" -eq 0 ] || [ "$verdict" -eq 2 ]
rm -r "$faults"

step "done"
