#!/usr/bin/env bash
# Installs what tmpose needs from the system: to build (clang for the camera bindings, pkg-config), to run
# (Vulkan loader and drivers, keyboard and cursor libraries, ffmpeg) and, with --tests, to run the tests
# (a virtual screen). Asks for nothing; does nothing when all is there. Tested on Debian 12 and 13; the
# lists for the other systems are untested.
set -euo pipefail

with_tests=no
case "${1:-}" in
  "") ;;
  --tests) with_tests=yes ;;
  *) echo "usage: $0 [--tests]" >&2; exit 2 ;;
esac

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else
    echo "error: installing packages needs root: run as root, or install sudo" >&2
    exit 1
  fi
}

apt_packages=(
  build-essential pkg-config clang libclang-dev
  libvulkan1 mesa-vulkan-drivers
  libxkbcommon0 libxkbcommon-x11-0 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libwayland-client0
  ffmpeg
)
dnf_packages=(gcc pkgconf clang clang-devel vulkan-loader mesa-vulkan-drivers
  libxkbcommon libxkbcommon-x11 libX11-xcb libXcursor libXi libXrandr libwayland-client ffmpeg-free)
pacman_packages=(base-devel clang vulkan-icd-loader vulkan-swrast
  libxkbcommon libxkbcommon-x11 libx11 libxcursor libxi libxrandr wayland ffmpeg)
if [ "$with_tests" = yes ]; then
  apt_packages+=(xvfb xauth)
  dnf_packages+=(xorg-x11-server-Xvfb xorg-x11-xauth)
  pacman_packages+=(xorg-server-xvfb xorg-xauth)
fi

apt_missing() {
  local package
  for package in "${apt_packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

case "$(uname -s)" in
  Linux)
    if command -v apt-get >/dev/null; then
      mapfile -t missing < <(apt_missing)
      if [ "${#missing[@]}" -gt 0 ]; then
        echo "installing: ${missing[*]}"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
      fi
    elif command -v dnf >/dev/null; then
      as_root dnf install -y "${dnf_packages[@]}"
    elif command -v pacman >/dev/null; then
      as_root pacman -S --needed --noconfirm "${pacman_packages[@]}"
    else
      echo "error: no apt-get, dnf or pacman here: install the equivalents of: ${apt_packages[*]}" >&2
      exit 1
    fi
    ;;
  Darwin)
    xcode-select -p >/dev/null 2>&1 || xcode-select --install
    command -v ffmpeg >/dev/null || brew install ffmpeg
    ;;
  MINGW* | MSYS* | CYGWIN*)
    command -v clang >/dev/null || winget install --id LLVM.LLVM
    command -v ffmpeg >/dev/null || winget install --id Gyan.FFmpeg
    ;;
  *)
    echo "error: $(uname -s) is not known here: install clang and ffmpeg yourself" >&2
    exit 1
    ;;
esac

if ! command -v cargo >/dev/null && [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
  echo "error: cargo is missing: install Rust 1.95 or newer from https://rustup.rs, then run this again" >&2
  exit 1
fi
