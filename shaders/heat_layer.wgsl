// A person's heatmaps as colours, from the network's own buffer into the texture that the window draws.
// CPU twin: `heat_layer` in src/vision/heat_layer.rs, which also says what the numbers mean.

struct Params {
    // Index of the person's first value.
    first: u32,
    width: u32,
    height: u32,
    joints: u32,
    // The joint to show; `joints` or more shows each cell's strongest.
    joint: u32,
    // One over the value that gets the strongest colour, for one joint.
    unit: f32,
    // For all joints: the value at which colour begins, and opacity for each unit above it.
    lowest: f32,
    scale: f32,
    // The scale of one joint: R, G, B, opacity, 0 to 255.
    stops: array<vec4<f32>, 5>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<f32>;
// A joint's red in the lowest byte, then green and blue.
@group(0) @binding(2) var<storage, read> colors: array<u32>;
@group(0) @binding(3) var layer: texture_storage_2d<rgba8unorm, write>;

// By its bits: shader compilers may assume that there are no such values.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn heat(value: f32) -> vec4<f32> {
    let scaled = clamp(value, 0.0, 1.0) * 4.0;
    let low = min(u32(scaled), 3u);
    let part = scaled - f32(low);
    let from_stop = params.stops[low];
    return floor(from_stop + (params.stops[low + 1u] - from_stop) * part);
}

fn strongest(cell: u32, plane: u32) -> vec4<f32> {
    var best = 0.0;
    var joint = params.joints;
    for (var j = 0u; j < params.joints; j++) {
        let v = maps[cell + j * plane];
        if (!is_nan(v) && (joint == params.joints || v >= best)) {
            best = v;
            joint = j;
        }
    }
    if (joint == params.joints) {
        return vec4<f32>(0.0);
    }
    let color = (vec3<u32>(colors[joint]) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(255u);
    let opacity = clamp((best - params.lowest) * params.scale, 0.0, 1.0);
    return vec4<f32>(vec3<f32>(color), floor(opacity * 255.0));
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let plane = params.width * params.height;
    let cell = params.first + id.y * params.width + id.x;
    var color = vec4<f32>(0.0);
    if (params.joint >= params.joints) {
        color = strongest(cell, plane);
    } else {
        let v = maps[cell + params.joint * plane];
        if (!is_nan(v)) {
            color = heat(v * params.unit);
        }
    }
    // egui draws premultiplied colours.
    let premultiplied = floor(color.rgb * color.a / 255.0 + 0.5);
    textureStore(layer, vec2<i32>(id.xy), vec4<f32>(premultiplied, color.a) / 255.0);
}
