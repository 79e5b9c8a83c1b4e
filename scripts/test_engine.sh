#!/usr/bin/env bash
# Tests the CPU's engine (src/cpu) alone, as a crate of its own without Burn, where the whole program cannot be built:
#   scripts/test_engine.sh neon   the kernels for ARM processors, in an emulated one (Debian; installs what it needs)
#   scripts/test_engine.sh miri   the portable kernels under Miri (rustup component add --toolchain nightly miri)
# Further arguments go to the test program, e.g. a filter.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
usage() { echo "usage: $0 neon|miri [FILTER...]" >&2; exit 2; }
how="${1:-}"
[ -n "$how" ] && shift || usage

crate="${CARGO_TARGET_DIR:-$root/target}/engine"
mkdir -p "$crate/src"
# The versions are those of the program.
version() { sed -n "s/^$1 = \(.*\)/$1 = \1/p" "$root/Cargo.toml" | head -1; }
cat >"$crate/Cargo.toml" <<EOF
[package]
name = "engine"
version = "0.0.0"
edition = "2024"
[dependencies]
$(version rayon)
$(version thiserror)
[dev-dependencies]
$(version proptest)
[workspace]
EOF
cat >"$crate/src/lib.rs" <<EOF
//! The CPU's engine of tmpose.
#![allow(unused)] // What only the program uses.
#[path = "$root/src/cpu/mod.rs"]
pub mod cpu;
EOF
cd "$crate"
unset CARGO_TARGET_DIR
case "$how" in
  neon)
    if ! command -v qemu-aarch64 >/dev/null || ! command -v aarch64-linux-gnu-gcc >/dev/null; then
      apt-get update -qq
      apt-get install -y -qq --no-install-recommends qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    fi
    rustup target list --installed | grep -qx aarch64-unknown-linux-gnu ||
      rustup target add aarch64-unknown-linux-gnu
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    # A case takes a hundred times its time there.
    export PROPTEST_CASES="${PROPTEST_CASES:-6}"
    exec cargo test --release --target aarch64-unknown-linux-gnu -- "$@"
    ;;
  miri)
    export TMPOSE_SIMD=portable MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation}"
    exec cargo +nightly miri test -- "$@"
    ;;
  *) usage ;;
esac
