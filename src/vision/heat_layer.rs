//! Heatmaps as a transparent layer of colour over the picture.
//!
//! `shaders/heat_layer.wgsl` does the same from the network's own buffer. Both multiply where one could
//! divide: shaders may round a division, but not a product.

use super::Heatmaps;

/// The value at which a joint's colour begins to show when all joints are drawn: what is below is noise
/// that would tint the whole picture.
pub const HEAT_FLOOR: f32 = 0.08;
/// Opacity for each unit above the floor; full at 0.7.
pub const HEAT_SCALE: f32 = 1.0 / (0.7 - HEAT_FLOOR);
/// One joint alone is shown at its full range, down to this maximum: where the network looks matters
/// there, not how confident it is.
pub const HEAT_WEAKEST: f32 = 0.2;
/// The scale of one joint alone, from transparent violet over red to pale yellow: R, G, B, opacity.
pub const HEAT_STOPS: [[f32; 4]; 5] = [
    [40.0, 10.0, 90.0, 0.0],
    [110.0, 25.0, 130.0, 150.0],
    [200.0, 60.0, 90.0, 205.0],
    [250.0, 140.0, 40.0, 235.0],
    [255.0, 245.0, 165.0, 255.0],
];

/// R, G, B and opacity of each cell, row by row. With `joint` that joint alone on the scale of
/// [`HEAT_STOPS`]; else (or when there is no such joint) each cell's strongest joint, the last of equals,
/// in its colour of `colors`. Cells without a number are transparent.
///
/// # Panics
/// When `colors` has fewer colours than there are joints.
pub fn heat_layer(maps: &Heatmaps, colors: &[[u8; 3]], joint: Option<usize>) -> Vec<[u8; 4]> {
    match joint.filter(|&j| j < maps.joints) {
        Some(j) => {
            let map = maps.map(j);
            let unit = 1.0 / map.iter().copied().fold(HEAT_WEAKEST, f32::max);
            map.iter().map(|v| heat(v * unit)).collect()
        }
        None => (0..maps.size.area()).map(|cell| strongest(maps, cell, colors)).collect(),
    }
}

fn strongest(maps: &Heatmaps, cell: usize, colors: &[[u8; 3]]) -> [u8; 4] {
    let mut best: Option<(usize, f32)> = None;
    for j in 0..maps.joints {
        let value = maps.map(j)[cell];
        if best.map_or(!value.is_nan(), |(_, most)| value >= most) {
            best = Some((j, value));
        }
    }
    let Some((j, value)) = best else { return [0; 4] };
    let [r, g, b] = colors[j];
    let opacity = ((value - HEAT_FLOOR) * HEAT_SCALE).clamp(0.0, 1.0);
    [r, g, b, (opacity * 255.0) as u8]
}

/// The colour at `value`, which is cut to 0..=1.
fn heat(value: f32) -> [u8; 4] {
    if value.is_nan() {
        return [0; 4];
    }
    let scaled = value.clamp(0.0, 1.0) * (HEAT_STOPS.len() - 1) as f32;
    let low = (scaled as usize).min(HEAT_STOPS.len() - 2);
    let part = scaled - low as f32;
    std::array::from_fn(|c| (HEAT_STOPS[low][c] + (HEAT_STOPS[low + 1][c] - HEAT_STOPS[low][c]) * part) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;

    #[test]
    fn silence_is_transparent_and_a_peak_has_its_joints_colour() {
        let colors: Vec<[u8; 3]> = (0..17).map(|j| [j as u8, 100, 200]).collect();
        let mut maps = Heatmaps::zeros(17, Size::new(3, 4));
        maps.values[9 * 12 + 5] = 1.0;
        let all = heat_layer(&maps, &colors, None);
        assert_eq!((all.len(), all[0][3], all[5]), (12, 0, [9, 100, 200, 255]));
        let one = heat_layer(&maps, &colors, Some(9));
        assert_eq!((one[0][3], one[5]), (0, [255, 245, 165, 255]));
        assert_eq!(heat_layer(&maps, &colors, Some(99)), all, "a joint that is not there shows all of them");
    }

    #[test]
    fn a_weak_joint_alone_is_shown_at_its_full_range_and_broken_cells_not_at_all() {
        let mut maps = Heatmaps::zeros(1, Size::new(3, 1));
        maps.values = vec![0.25, 0.125, f32::NAN];
        let one = heat_layer(&maps, &[[0; 3]], Some(0));
        assert_eq!(one, [[255, 245, 165, 255], [200, 60, 90, 205], [0; 4]]);
        assert_eq!(heat_layer(&maps, &[[1; 3]], None)[2], [0; 4]);
    }
}
