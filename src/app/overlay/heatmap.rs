//! The network's heatmaps as a coloured layer over the crop.

use super::{Place, tokens::crop_rect};
use crate::app::preferences::HeatmapJoint;
use crate::infer::Estimate;
use crate::pose::Skeleton;
use crate::vision::{Heatmaps, joint_color};
use egui::{Color32, ColorImage, Painter, TextureHandle, TextureOptions};

/// People whose heatmaps are drawn; the layer is for looking into the network, not for crowds.
const MANY: usize = 8;
/// Heatmap values at which a joint's colour begins to show and is at its strongest.
const FLOOR: f32 = 0.08;
const FULL: f32 = 0.7;

/// One texture a person, made anew when the result or the chosen joint changes.
#[derive(Default)]
pub struct HeatmapLayer {
    textures: Vec<TextureHandle>,
    made_for: Option<(u64, HeatmapJoint)>,
}

impl HeatmapLayer {
    /// Draws the heatmaps of result `number`. Mapping to colours happens only when something changed.
    #[allow(clippy::too_many_arguments)] // One call site; a struct for it would only rename the fields.
    pub fn draw(
        &mut self,
        painter: &Painter,
        place: &Place,
        estimates: &[Estimate],
        skeleton: &Skeleton,
        number: u64,
        joint: HeatmapJoint,
        opacity: f32,
    ) {
        let people: Vec<(&Estimate, &Heatmaps)> =
            estimates.iter().filter_map(|e| Some((e, e.heatmaps.as_ref()?))).take(MANY).collect();
        if self.made_for != Some((number, joint)) {
            self.made_for = Some((number, joint));
            self.textures.truncate(people.len());
            for (n, (_, maps)) in people.iter().enumerate() {
                let image = colored(maps, skeleton, joint);
                match self.textures.get_mut(n) {
                    Some(texture) => texture.set(image, TextureOptions::LINEAR),
                    None => self.textures.push(painter.ctx().load_texture(
                        "heatmaps",
                        image,
                        TextureOptions::LINEAR,
                    )),
                }
            }
        }
        let tint = Color32::WHITE.gamma_multiply(opacity);
        for ((estimate, maps), texture) in people.iter().zip(&self.textures) {
            let rect = crop_rect(place, &estimate.crop, [maps.width, maps.height]);
            painter.image(texture.id(), rect, place.uv(), tint);
        }
    }
}

/// All: the strongest joint of each cell in that joint's colour. One: from dark violet to yellow.
fn colored(maps: &Heatmaps, skeleton: &Skeleton, joint: HeatmapJoint) -> ColorImage {
    let cells = maps.width * maps.height;
    let pixels = match joint {
        HeatmapJoint::One(j) if j < maps.joints => {
            // A weak map is shown at full range: where the network looks matters here, not how sure.
            let map = maps.map(j);
            let top = map.iter().copied().fold(0.2_f32, f32::max);
            map.iter().map(|&v| heat((v / top).clamp(0.0, 1.0))).collect()
        }
        _ => (0..cells)
            .map(|cell| {
                let at = |j: usize| maps.map(j)[cell];
                let best = (0..maps.joints).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap_or(0);
                let [r, g, b] = joint_color(skeleton, best);
                // Below the floor it is noise that would tint the whole picture.
                let alpha = ((at(best) - FLOOR) / (FULL - FLOOR)).clamp(0.0, 1.0);
                Color32::from_rgba_unmultiplied(r, g, b, (alpha * 255.0) as u8)
            })
            .collect(),
    };
    ColorImage::new([maps.width, maps.height], pixels)
}

/// A perceptual scale from transparent violet over red to pale yellow.
fn heat(value: f32) -> Color32 {
    const STOPS: [[f32; 4]; 5] = [
        [40.0, 10.0, 90.0, 0.0],
        [110.0, 25.0, 130.0, 150.0],
        [200.0, 60.0, 90.0, 205.0],
        [250.0, 140.0, 40.0, 235.0],
        [255.0, 245.0, 165.0, 255.0],
    ];
    let scaled = value * (STOPS.len() - 1) as f32;
    let low = (scaled as usize).min(STOPS.len() - 2);
    let part = scaled - low as f32;
    let mix = |c: usize| (STOPS[low][c] + (STOPS[low + 1][c] - STOPS[low][c]) * part) as u8;
    Color32::from_rgba_unmultiplied(mix(0), mix(1), mix(2), mix(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_transparent_and_a_peak_has_its_joints_colour() {
        let skeleton = Skeleton::coco17();
        let mut maps = Heatmaps::zeros(17, 4, 3);
        maps.values[9 * 12 + 5] = 1.0;
        let all = colored(&maps, skeleton, HeatmapJoint::All);
        assert_eq!((all.size, all.pixels[0]), ([3, 4], Color32::TRANSPARENT));
        let [r, g, b] = joint_color(skeleton, 9);
        assert_eq!(all.pixels[5], Color32::from_rgb(r, g, b));
        let one = colored(&maps, skeleton, HeatmapJoint::One(9));
        assert_eq!((one.pixels[0].a(), one.pixels[5].a()), (0, 255));
        // A joint that the model does not have shows all of them.
        assert_eq!(colored(&maps, skeleton, HeatmapJoint::One(99)).pixels, all.pixels);
    }
}
