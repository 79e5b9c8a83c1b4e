#!/usr/bin/env bash
# Runs the real program against cameras that work and cameras that fail, and checks what it says.
#
#   CAMERA_VM='RUNNER WITH ITS OPTIONS --' CLIP=people.mp4 scripts/camera_faults.sh [PROGRAM]
#
# CAMERA_VM   a command prefix that runs its arguments on a machine with two V4L2 cameras: /dev/video0 of
#             the kernel's "vivid" driver, /dev/video10 of "v4l2loopback". Empty: this machine has them
#             (modprobe vivid n_devs=1; modprobe v4l2loopback video_nr=10), and the script runs as root.
# CLIP        a video with people in it, which becomes the second camera's picture.
# CAMERA_OUT  where the test pictures go, as seen on that machine (default /out).
# CASES       "grab" (test pictures), "window", or both (the default).
# PROGRAM     the program to test (default target/release/tmpose).
#
# Needs v4l2-ctl and ffmpeg; with xvfb-run the window is tested too: what it does when a camera goes away and
# comes back. Emulated machines are slow: allow half an hour.
set -u

if [ "${1:-}" != "--inside" ]; then
    program=$(realpath "${1:-target/release/tmpose}") || exit 2
    [ -n "${CLIP:-}" ] || { echo "set CLIP to a video with people in it" >&2; exit 2; }
    # Word splitting is meant: the runner comes with its options.
    # shellcheck disable=SC2086
    exec ${CAMERA_VM:-} bash "$(realpath "$0")" --inside "$program" "$(realpath "$CLIP")" "${CAMERA_OUT:-/out}" \
        "${CASES:-grab window}"
fi

program=$2 clip=$3 out=$4 cases=$5
failures=0
log=$(mktemp)

# check TITLE EXIT-CODE WORDS...: the last run ended so and said all of it.
check() {
    local title=$1 wanted=$2 verdict=ok word
    shift 2
    [ "$code" = "$wanted" ] || verdict="FAILED (exit code $code, not $wanted)"
    for word in "$@"; do
        grep -qF -- "$word" "$log" || verdict="FAILED (not said: $word)"
    done
    echo "== $title: $verdict"
    sed 's/^/   /' "$log"
    [ "$verdict" = ok ] || failures=$((failures + 1))
}

run() {
    timeout 120 "$program" "$@" >"$log" 2>&1
    code=$?
}

control() { v4l2-ctl -d0 -c "$1" >/dev/null; }

# while_grabbing COUNT CAMERA COMMAND...: starts to grab, runs the command once pictures arrive, waits for
# the end.
while_grabbing() {
    local count=$1 camera=$2 pictures=$out/interrupted grabbing
    shift 2
    rm -rf "$pictures"
    timeout 120 "$program" cameras --grab "$count" --camera "$camera" --out "$pictures" >"$log" 2>&1 &
    grabbing=$!
    for _ in $(seq 60); do
        [ -e "$pictures/camera_0002.png" ] && break
        sleep 0.5
    done
    "$@"
    wait "$grabbing"
    code=$?
    rm -rf "$pictures"
}

# window CAMERA SECONDS COMMAND...: the window on a camera for so long; runs the command meanwhile. What it said is
# the part of its report about the source.
window() {
    local camera=$1 seconds=$2 report watching
    shift 2
    report=$(mktemp)
    timeout $((seconds + 240)) xvfb-run -a "$program" view "camera:$camera" --device cpu --fresh \
        --exit-after "$seconds" --report "$report" >"$log" 2>&1 &
    watching=$!
    "$@"
    wait "$watching"
    code=$?
    sed -n '/^  "source": {/,/^  }/p' "$report" >>"$log"
    rm -f "$report"
}

feed() {
    ffmpeg -v error -re -stream_loop -1 -i "$clip" -vf scale=640:480 -c:v mjpeg -q:v 3 -f v4l2 /dev/video10 &
    feed=$!
    for _ in $(seq 60); do v4l2-ctl -d10 --list-formats | grep -q MJPG && break; sleep 0.5; done
}

# The feed ends for a while, and comes back.
interrupt() {
    sleep 90
    kill "$feed"
    wait "$feed" 2>/dev/null
    sleep 30
    feed
}

# The driver lets go of the first camera and takes it again: as pulling a plug and putting it back.
replug() {
    sleep 90
    echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
    sleep 30
    echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
}

# Pictures taken by `tmpose cameras --grab`.
grab_cases() {
    run cameras
    check "list" 0 "vivid" "YUYV" "640x480"

    run cameras --grab 5 --camera 0 --out "$out/yuyv"
    check "YUYV" 0 "YUYV" "5 pictures"

    run cameras --grab 3 --camera 0 --format "640x480@25 NV12" --out "$out/nv12"
    check "NV12, asked for" 0 "640x480@25 NV12" "3 pictures"

    run cameras --grab 3 --camera 0 --format "123x45@30 MJPEG" --out "$out/none"
    check "a format that it does not have" 1 "does not offer 123x45@30 MJPEG"

    run cameras --grab 3 --camera 7 --out "$out/none"
    check "a camera that is not there" 1 'there is no camera "7"' "vivid"

    control percentage_of_dropped_buffers=30
    run cameras --grab 10 --camera 0 --out "$out/dropping"
    check "dropping 30 % of its pictures" 0 "10 pictures"
    control percentage_of_dropped_buffers=0

    control inject_v4l2_buf_flag_error=1
    run cameras --grab 5 --camera 0 --out "$out/flagged"
    check "a picture with an error flag" 0 "5 pictures"

    control inject_vidioc_streamon_error=1
    run cameras --grab 3 --camera 0 --out "$out/restarted"
    check "failing to start, tried again" 0 "3 pictures"

    timeout 120 "$program" cameras --grab 60 --camera 0 --out "$out/first" >/dev/null 2>&1 &
    first=$!
    for _ in $(seq 60); do [ -e "$out/first/camera_0002.png" ] && break; sleep 0.5; done
    run cameras --grab 3 --camera 0 --out "$out/none"
    check "in use by another program" 1 "in use by another program"
    wait "$first"
    rm -rf "$out/first"

    if command -v setpriv >/dev/null; then
        printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "%s" "$@"\n' "$program" >/tmp/unprivileged
        chmod 755 /tmp/unprivileged
        with_rights=$program
        program=/tmp/unprivileged
        run cameras --grab 3 --camera /dev/video0 --out /tmp
        check "no permission" 1 "may not be used" "usermod -aG video"
        program=$with_rights
    fi

    # The second camera becomes one when something is written into it.
    run cameras --grab 3 --camera 10 --out "$out/none"
    check "no signal" 1 "gives no pictures" "no signal"

    feed
    run cameras
    check "list, with MJPEG" 0 "MJPEG: 640x480"
    run cameras --grab 8 --camera 10 --out "$out/mjpeg"
    check "MJPEG with people" 0 "MJPEG" "8 pictures"

    while_grabbing 100000 10 kill "$feed"
    check "the picture stops (a stall)" 1 "has sent no picture"
    wait "$feed" 2>/dev/null
}

# What the window does.
window_cases() {
    feed
    window 10 240 interrupt
    check "the window: a feed that stops and comes back" 0 '"error": null' '"outage": null' '"returns": 1'
    kill "$feed"
    wait "$feed" 2>/dev/null

    control percentage_of_dropped_buffers=30
    window 0 60 true
    check "the window: dropping 30 % of its pictures" 0 '"error": null' '"outage": null'
    control percentage_of_dropped_buffers=0

    window 0 240 replug
    check "the window: unplugged and plugged in again" 0 '"error": null' '"outage": null' '"returns": 1'
}

# These end the first camera for good, so they come last.
last_grab_cases() {
    while_grabbing 40 0 control inject_fatal_streaming_error=1
    check "a fatal error while running, restarted" 0 "40 pictures"

    while_grabbing 100000 0 control disconnect=1
    check "unplugged while running" 1 "was unplugged" "plug it in"
}

case $cases in *grab*) grab_cases ;; esac
case $cases in
*window*)
    if command -v xvfb-run >/dev/null; then
        window_cases
    else
        echo "== the window: skipped, xvfb-run is not installed"
    fi
    ;;
esac
case $cases in *grab*) last_grab_cases ;; esac

echo "$failures failed"
[ "$failures" = 0 ]
