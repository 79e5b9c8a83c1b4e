#!/usr/bin/env bash
# Installs what the tests need and runs them all. Arguments go to cargo test, e.g. a filter.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
scripts/install-system-packages.sh --tests
# --no-fail-fast: one failing test file must not hide the others' results.
exec cargo test --release --no-fail-fast "$@"
