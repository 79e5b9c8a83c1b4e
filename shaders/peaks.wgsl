// The keypoint of each heatmap: the highest cell, refined. One workgroup a map.
// CPU twin: `decode` in src/vision/decode.rs, whose comments say why each step is as it is.

struct Params {
    width: u32,
    height: u32,
    // Number of taps of the smoothing kernel, odd; 0 for the plain quarter step.
    taps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [maps, height, width]
@group(0) @binding(1) var<storage, read> maps: array<f32>;
@group(0) @binding(2) var<storage, read> kernel: array<f32>;
// x, y and score of each map
@group(0) @binding(3) var<storage, read_write> found: array<f32>;

const LANES = 128u;
const NOWHERE = 0xffffffffu;
// Below this a smoothed value counts as this.
const FLOOR = 1e-10;
const LN_2 = 0.6931471805599453;

var<workgroup> best_value: array<f32, LANES>;
var<workgroup> best_cell: array<u32, LANES>;
var<workgroup> peak_value: f32;
var<workgroup> peak_cell: u32;
// Smoothed values of the 5 x 5 cells about the peak.
var<workgroup> near: array<f32, 25>;
var<workgroup> some_low: u32;

// By its bits: shader compilers may assume that there are no such values.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// A smoothed value of the map at `start`, zero outside of it.
fn smoothed(start: u32, x: i32, y: i32) -> f32 {
    let taps = i32(params.taps);
    let reach = taps / 2;
    let width = i32(params.width);
    let first = max(0, reach - x);
    let last = min(taps, width + reach - x);
    var sum = 0.0;
    for (var j = max(0, reach - y); j < min(taps, i32(params.height) + reach - y); j++) {
        let row = i32(start) + (y + j - reach) * width + x - reach;
        var across = 0.0;
        for (var i = first; i < last; i++) {
            across += maps[row + i] * kernel[i];
        }
        sum += kernel[j] * across;
    }
    return sum;
}

// The natural logarithm of a positive number. WGSL's own may be wrong by 5e-7, which the curvature of a
// flat peak magnifies; this one is good to the last bits.
fn ln(v: f32) -> f32 {
    let bits = bitcast<u32>(v);
    var exponent = i32(bits >> 23u) - 127;
    var mantissa = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    if (mantissa > 1.4142135) {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    let series = 1.0 + z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0))));
    return f32(exponent) * LN_2 + 2.0 * s * series;
}

// A value of `near` as its logarithm. `factor` restores the old maximum; `unit`, a power of two near the
// peak's value, keeps the logarithms small and so exact, and no derivative sees it.
fn level(dx: i32, dy: i32, factor: f32, unit: f32) -> f32 {
    let v = near[(dy + 2) * 5 + dx + 2] * factor;
    // Written so that what is no number, too, counts as low.
    if (!(v > FLOOR)) {
        return ln(FLOOR * unit);
    }
    return ln(v * unit);
}

fn taylor(factor: f32) -> vec2<f32> {
    let centre = max(near[12] * factor, FLOOR);
    let exponent = clamp(i32(bitcast<u32>(centre) >> 23u) - 127, -60, 60);
    let unit = bitcast<f32>(u32(127 - exponent) << 23u);
    let middle = level(0, 0, factor, unit);
    let gx = 0.5 * (level(1, 0, factor, unit) - level(-1, 0, factor, unit));
    let gy = 0.5 * (level(0, 1, factor, unit) - level(0, -1, factor, unit));
    let xx = 0.25 * (level(2, 0, factor, unit) - 2.0 * middle + level(-2, 0, factor, unit));
    let yy = 0.25 * (level(0, 2, factor, unit) - 2.0 * middle + level(0, -2, factor, unit));
    let xy = 0.25 * (level(1, 1, factor, unit) - level(-1, 1, factor, unit)
        - level(1, -1, factor, unit) + level(-1, -1, factor, unit));
    let det = xx * yy - xy * xy;
    if (det == 0.0) {
        return vec2<f32>(0.0);
    }
    let offset = vec2<f32>(-(yy * gx - xy * gy) / det, -(xx * gy - xy * gx) / det);
    // Also false for what is no number.
    if (abs(offset.x) < 1e30 && abs(offset.y) < 1e30) {
        return offset;
    }
    return vec2<f32>(0.0);
}

fn quarter(difference: f32) -> f32 {
    if (difference > 0.0) {
        return 0.25;
    }
    if (difference < 0.0) {
        return -0.25;
    }
    return 0.0;
}

fn write(map: u32, x: f32, y: f32, score: f32) {
    found[3u * map] = x;
    found[3u * map + 1u] = y;
    found[3u * map + 2u] = score;
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let map = group.y * groups.x + group.x;
    let cells = params.width * params.height;
    let start = map * cells;

    // The first of the highest cells.
    var value = 0.0;
    var cell = NOWHERE;
    for (var i = lane; i < cells; i += LANES) {
        let v = maps[start + i];
        if (!is_nan(v) && (cell == NOWHERE || v > value)) {
            value = v;
            cell = i;
        }
    }
    best_value[lane] = value;
    best_cell[lane] = cell;
    for (var reach = LANES / 2u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if (lane < reach) {
            let other = best_cell[lane + reach];
            let other_value = best_value[lane + reach];
            let mine = best_cell[lane];
            let higher = other_value > best_value[lane];
            let earlier = other_value == best_value[lane] && other < mine;
            if (other != NOWHERE && (mine == NOWHERE || higher || earlier)) {
                best_value[lane] = other_value;
                best_cell[lane] = other;
            }
        }
    }
    if (lane == 0u) {
        peak_value = best_value[0];
        peak_cell = best_cell[0];
    }
    let score = workgroupUniformLoad(&peak_value);
    let peak = workgroupUniformLoad(&peak_cell);
    if (peak == NOWHERE || score <= 0.0) {
        if (lane == 0u) {
            write(map, 0.0, 0.0, score);
        }
        return;
    }

    let px = peak % params.width;
    let py = peak / params.width;
    if (params.taps == 0u) {
        if (lane == 0u) {
            var offset = vec2<f32>(0.0);
            if (px > 1u && px + 1u < params.width && py > 1u && py + 1u < params.height) {
                let at = start + peak;
                offset.x = quarter(maps[at + 1u] - maps[at - 1u]);
                offset.y = quarter(maps[at + params.width] - maps[at - params.width]);
            }
            write(map, f32(px) + offset.x, f32(py) + offset.y, score);
        }
        return;
    }
    if (!(px > 1u && px + 2u < params.width && py > 1u && py + 2u < params.height)) {
        if (lane == 0u) {
            write(map, f32(px), f32(py), score);
        }
        return;
    }

    if (lane < 25u) {
        near[lane] = smoothed(start, i32(px) - 2 + i32(lane % 5u), i32(py) - 2 + i32(lane / 5u));
    }
    workgroupBarrier();
    if (lane == 0u) {
        some_low = 0u;
        for (var i = 0u; i < 25u; i++) {
            if (near[i] < FLOOR) {
                some_low = 1u;
            }
        }
    }
    var factor = 1.0;
    if (workgroupUniformLoad(&some_low) == 1u) {
        // A value is cut off at the floor, so the smoothed map's maximum matters.
        var most = -3e38;
        for (var i = lane; i < cells; i += LANES) {
            let v = smoothed(start, i32(i % params.width), i32(i / params.width));
            if (v > most) {
                most = v;
            }
        }
        best_value[lane] = most;
        for (var reach = LANES / 2u; reach > 0u; reach >>= 1u) {
            workgroupBarrier();
            if (lane < reach) {
                best_value[lane] = max(best_value[lane], best_value[lane + reach]);
            }
        }
        if (lane == 0u) {
            peak_value = best_value[0];
        }
        factor = score / workgroupUniformLoad(&peak_value);
    }
    if (lane == 0u) {
        let offset = taylor(factor);
        write(map, f32(px) + offset.x, f32(py) + offset.y, score);
    }
}
