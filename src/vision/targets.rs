//! What the network is taught: one Gaussian for each visible joint.

use super::Heatmaps;
use crate::pose::Size;

/// Heatmaps to learn and the weight of each joint in the loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// One map for each joint, highest value 1.
    pub maps: Heatmaps,
    /// One value from 0 to 1 for each joint: 0 is not labelled or too far outside of the crop.
    pub weights: Vec<f32>,
}

/// Gaussian targets (docs/METHOD.md, "Targets").
///
/// - `joints`: x and y in heatmap pixels, not rounded, and visibility. 0 is not labelled; COCO's 1 and 2 both count as
///   1; a value in between lowers the joint's weight and not its map.
/// - `size`: of the maps, in pixels (48x64 in the paper).
/// - `sigma`: the Gaussian's standard deviation in heatmap pixels (2 in the paper).
///
/// A joint whose 3-sigma window misses the map gets weight 0 and an empty map.
pub fn gaussian_targets(joints: &[[f32; 3]], size: Size, sigma: f32) -> Targets {
    let [height, width] = size.hw();
    let mut maps = Heatmaps::zeros(joints.len(), size);
    let mut weights = vec![0.0; joints.len()];
    let cells = size.area();
    for (j, &[x, y, visible]) in joints.iter().enumerate() {
        let weight = visible.clamp(0.0, 1.0);
        // Written so that NaN, too, counts as outside.
        if !(weight > 0.0 && reaches(x, width, sigma) && reaches(y, height, sigma)) {
            continue;
        }
        weights[j] = weight;
        let across: Vec<f32> = (0..width).map(|i| gaussian(i as f32 - x, sigma)).collect();
        let map = &mut maps.values[j * cells..(j + 1) * cells];
        for (r, row) in map.chunks_exact_mut(width.max(1)).enumerate() {
            let down = gaussian(r as f32 - y, sigma);
            for (value, a) in row.iter_mut().zip(&across) {
                *value = down * a;
            }
        }
    }
    Targets { maps, weights }
}

fn gaussian(d: f32, sigma: f32) -> f32 {
    (-d * d / (2.0 * sigma * sigma)).exp()
}

/// Whether the 3-sigma window about `at` touches a map of `size` cells. The reference cuts towards
/// zero on both sides, so the limits are `-(3 sigma + 2)` and `size + 3 sigma`.
fn reaches(at: f32, size: usize, sigma: f32) -> bool {
    let window = 3.0 * sigma;
    (at - window).trunc() < size as f32 && (at + window + 1.0).trunc() >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visible_joint_is_a_bell_over_the_whole_map() {
        let t = gaussian_targets(&[[10.0, 20.0, 2.0]], Size::new(48, 64), 2.0);
        assert_eq!(t.weights, [1.0]);
        let map = t.maps.map(0);
        assert_eq!(map[20 * 48 + 10], 1.0);
        assert!((map[20 * 48 + 12] - (-0.5f32).exp()).abs() < 1e-6);
        assert!(map[20 * 48 + 20] > 0.0);
    }

    #[test]
    fn an_uncertain_joint_has_a_whole_gaussian_and_a_part_of_the_weight() {
        let t = gaussian_targets(&[[10.0, 20.0, 0.25]], Size::new(48, 64), 2.0);
        assert_eq!((t.weights[0], t.maps.map(0)[20 * 48 + 10]), (0.25, 1.0));
    }

    #[test]
    fn a_hidden_or_distant_joint_teaches_nothing() {
        let joints = [
            [10.0, 20.0, 0.0],
            [-8.0, 20.0, 1.0],
            [54.0, 20.0, 1.0],
            [10.0, 70.0, 1.0],
            [f32::NAN, 20.0, 1.0],
        ];
        let t = gaussian_targets(&joints, Size::new(48, 64), 2.0);
        assert_eq!(t.weights, [0.0; 5]);
        assert!(t.maps.values.iter().all(|&v| v == 0.0));
        let t = gaussian_targets(&[[-7.9, 20.0, 1.0], [53.9, 20.0, 1.0]], Size::new(48, 64), 2.0);
        assert_eq!(t.weights, [1.0, 1.0]);
    }
}
