// Cuts persons out of a picture and normalises them, straight into the network's input.
// CPU twin: `warp` and `normalize_into` in src/vision; the same integers, so the same bits.

// Width and height of the picture, width and height of a crop, the slot of the first crop, then for each
// crop its sampling grid (src/vision/warp.rs): an x and a y for each column, then for each row.
@group(0) @binding(0) var<storage, read> plan: array<i32>;
// Three bytes a pixel, row by row, without gaps; the first byte is a word's lowest.
@group(0) @binding(1) var<storage, read> picture: array<u32>;
// The network's number for each of 256 values of red, then green, then blue.
@group(0) @binding(2) var<storage, read> normalized: array<f32>;
// [slots, 3, height, width]
@group(0) @binding(3) var<storage, read_write> crops: array<f32>;

const HEADER = 5;
const MOST = 2147483647;
const LEAST = -2147483647 - 1;

fn saturating_add(a: i32, b: i32) -> i32 {
    let sum = a + b;
    if (a < 0 && b < 0 && sum >= 0) {
        return LEAST;
    }
    if (a >= 0 && b >= 0 && sum < 0) {
        return MOST;
    }
    return sum;
}

fn byte(at: u32) -> u32 {
    return (picture[at >> 2u] >> ((at & 3u) << 3u)) & 255u;
}

// R, G, B of a pixel; black outside of the picture.
fn pixel(x: i32, y: i32) -> vec3<u32> {
    if (x < 0 || y < 0 || x >= plan[0] || y >= plan[1]) {
        return vec3<u32>(0u);
    }
    let at = (u32(y) * u32(plan[0]) + u32(x)) * 3u;
    return vec3<u32>(byte(at), byte(at + 1u), byte(at + 2u));
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = u32(plan[2]);
    let height = u32(plan[3]);
    if (id.x >= width || id.y >= height) {
        return;
    }
    let grid = u32(HEADER) + id.z * 2u * (width + height);
    let column = grid + 2u * id.x;
    let row = grid + 2u * (width + id.y);
    // 1/1024 pixels become 1/32 pixels.
    let sx = saturating_add(plan[row], plan[column]) >> 5u;
    let sy = saturating_add(plan[row + 1u], plan[column + 1u]) >> 5u;
    let x = sx >> 5u;
    let y = sy >> 5u;
    let fx = u32(sx & 31);
    let fy = u32(sy & 31);
    let sum = (32u - fx) * (32u - fy) * pixel(x, y)
        + fx * (32u - fy) * pixel(x + 1, y)
        + (32u - fx) * fy * pixel(x, y + 1)
        + fx * fy * pixel(x + 1, y + 1);
    let value = (sum + 512u) >> vec3<u32>(10u);

    let plane = width * height;
    let out = (u32(plan[4]) + id.z) * 3u * plane + id.y * width + id.x;
    crops[out] = normalized[value.r];
    crops[out + plane] = normalized[256u + value.g];
    crops[out + 2u * plane] = normalized[512u + value.b];
}
