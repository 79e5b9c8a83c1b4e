// A picture in the person detector's square, normalised, straight into the network's input.
// CPU twin: `Letterbox::square` in src/detect/letterbox.rs, from the same shares.

struct Params {
    // Of the picture, in pixels.
    width: u32,
    // Width and height of the picture within the square, at its top left.
    columns: u32,
    rows: u32,
    side: u32,
    // Which square of the batch.
    slot: u32,
    // Value of the rest of the square, 0 to 255.
    padding: f32,
    // Of each channel, of values 0 to 1.
    mean: vec3<f32>,
    deviation: vec3<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
// What each column of the square is made of: its first column of the picture, and where its weights begin in this
// buffer; they end where the next one's begin, so one entry more closes the list. Then rows likewise, then the
// weights as bits.
@group(0) @binding(1) var<storage, read> shares: array<u32>;
// Three bytes a pixel, row by row, without gaps; the first byte is a word's lowest.
@group(0) @binding(2) var<storage, read> picture: array<u32>;
// [pictures, 3, side, side]
@group(0) @binding(3) var<storage, read_write> squares: array<f32>;

fn byte(at: u32) -> f32 {
    return f32((picture[at >> 2u] >> ((at & 3u) << 3u)) & 255u);
}

fn pixel(x: u32, y: u32) -> vec3<f32> {
    let at = (y * params.width + x) * 3u;
    return vec3<f32>(byte(at), byte(at + 1u), byte(at + 2u));
}

// The mean of what a pixel of the square is made of: down each column of the picture, then across, as the twin.
fn made_of(column: u32, row: u32) -> vec3<f32> {
    let across = 2u * column;
    let down = 2u * (params.columns + 1u + row);
    let left = shares[across + 1u];
    let right = shares[across + 3u];
    let top = shares[down + 1u];
    let bottom = shares[down + 3u];
    var sum = vec3<f32>(0.0);
    for (var i = left; i < right; i++) {
        let x = shares[across] + i - left;
        var tall = vec3<f32>(0.0);
        for (var j = top; j < bottom; j++) {
            tall += pixel(x, shares[down] + j - top) * bitcast<f32>(shares[j]);
        }
        sum += tall * bitcast<f32>(shares[i]);
    }
    return sum;
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.side || id.y >= params.side) {
        return;
    }
    var value = vec3<f32>(params.padding);
    if (id.x < params.columns && id.y < params.rows) {
        value = made_of(id.x, id.y);
    }
    let normal = (value / 255.0 - params.mean) / params.deviation;
    let plane = params.side * params.side;
    let out = params.slot * 3u * plane + id.y * params.side + id.x;
    squares[out] = normal.r;
    squares[out + plane] = normal.g;
    squares[out + 2u * plane] = normal.b;
}
