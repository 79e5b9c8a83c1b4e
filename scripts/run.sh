#!/usr/bin/env bash
# Builds tmpose and runs it with the given arguments; without any, its window opens.
# Example: scripts/run.sh predict people.jpg
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
scripts/install-system-packages.sh
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TARGET_DIR
cargo build --release --bin tmpose
# The user's own folder again, so that relative paths among the arguments mean what they say.
cd "$OLDPWD"
exec "$CARGO_TARGET_DIR/release/tmpose" "$@"
