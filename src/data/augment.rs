//! Random crops of annotated people: half body, scale, rotation, shift, brightness and mirror image
//! (docs/METHOD.md, "Augmentation"), drawn from a generator that depends on the sample alone.

use super::set::PersonAnnotation;
use crate::pose::{Size, Skeleton};
use crate::settings::{InvalidSetting, define_settings, require, require_share};
use crate::vision::{self, Affine, BOX_PADDING, CropBox};
use image::RgbImage;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

define_settings! {
    /// How much the crops vary. The defaults are what docs/TRAINING.md found good for short trainings; the recipe
    /// `tmpose` has those of the paper.
    pub struct Augmentation {
        /// Probability of showing only the upper or lower body of a person with more than 8 joints.
        pub half_body: f64 = 0.0,
        /// Standard deviation of the factor on the crop's size.
        pub scale: f64 = 0.25,
        /// Smallest and largest such factor.
        pub scale_limits: [f64; 2] = [0.7, 1.35],
        /// Standard deviation of the rotation in degrees.
        pub rotation: f64 = 25.0,
        /// Largest rotation in degrees, either way.
        pub rotation_limit: f64 = 50.0,
        /// Probability of any rotation.
        pub rotation_probability: f64 = 0.6,
        /// Standard deviation of the shift, as a share of the crop's size.
        pub shift: f64 = 0.04,
        /// The brightness is multiplied by 1 plus or minus up to this.
        pub brightness: f64 = 0.25,
        /// Probability of the mirror image.
        pub mirror: f64 = 0.5,
    }
}

impl Augmentation {
    /// The paper's on COCO (docs/METHOD.md, "Augmentation").
    pub fn tmpose() -> Augmentation {
        Augmentation {
            half_body: 0.3,
            scale: 0.35,
            scale_limits: [0.65, 1.35],
            rotation: 45.0,
            rotation_limit: 90.0,
            rotation_probability: 0.6,
            shift: 0.0,
            brightness: 0.0,
            mirror: 0.5,
        }
    }

    /// The paper's on MPII: no half bodies, and less of the rest.
    pub fn tmpose_mpii() -> Augmentation {
        Augmentation {
            half_body: 0.0,
            scale: 0.25,
            scale_limits: [0.75, 1.25],
            rotation: 30.0,
            rotation_limit: 60.0,
            ..Augmentation::tmpose()
        }
    }

    /// Refuses settings that no crop can be drawn with.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let [low, high] = self.scale_limits;
        let value = format!("{:?}", self.scale_limits);
        let must = "[low, high] with 0 < low <= high";
        require(low > 0.0 && low <= high && high.is_finite(), "augmentation.scale_limits", value, must)?;
        let deviation =
            |name, value: f64| require(value.is_finite() && value >= 0.0, name, value, "0 or more");
        require_share("augmentation.half_body", self.half_body)?;
        deviation("augmentation.scale", self.scale)?;
        deviation("augmentation.rotation", self.rotation)?;
        deviation("augmentation.rotation_limit", self.rotation_limit)?;
        require_share("augmentation.rotation_probability", self.rotation_probability)?;
        deviation("augmentation.shift", self.shift)?;
        require_share("augmentation.brightness", self.brightness)?;
        require_share("augmentation.mirror", self.mirror)
    }

    /// The plain crop of the person's box, for evaluation.
    pub fn none() -> Augmentation {
        Augmentation {
            half_body: 0.0,
            scale: 0.0,
            scale_limits: [1.0, 1.0],
            rotation: 0.0,
            rotation_limit: 0.0,
            rotation_probability: 0.0,
            shift: 0.0,
            brightness: 0.0,
            mirror: 0.0,
        }
    }
}

/// A generator for one draw; the same numbers give the same stream on every machine, and different
/// ones unrelated streams.
pub fn generator(seed: u64, purpose: u64, index: u64, round: u64) -> ChaCha8Rng {
    let mut bytes = [0u8; 32];
    for (chunk, part) in bytes.chunks_exact_mut(8).zip([seed, purpose, index, round]) {
        chunk.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// What was drawn for one sample: everything that its crop and its targets depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentedCrop {
    /// The part of the picture that is shown.
    pub crop: CropBox,
    /// Degrees, as [`Affine::from_crop`] takes them.
    pub rotation: f64,
    /// Show the mirror image; `crop` is then given in the mirrored picture.
    pub mirrored: bool,
    /// Factor on the brightness.
    pub brightness: f32,
}

impl AugmentedCrop {
    /// Draws the crop of `person` for an input of aspect width / height. `width` is the picture's.
    pub fn draw(
        person: &PersonAnnotation,
        width: u32,
        aspect: f64,
        skeleton: &Skeleton,
        how: &Augmentation,
        rng: &mut ChaCha8Rng,
    ) -> AugmentedCrop {
        let mut normal = || -> f64 { StandardNormal.sample(&mut *rng) };
        // All numbers are drawn whether they are used or not, so that switching one part off leaves
        // the others as they were.
        let [z_half, z_scale, z_rotation, z_x, z_y] = std::array::from_fn(|_| normal());
        let [u_half, u_rotation, u_brightness, u_mirror]: [f64; 4] = std::array::from_fn(|_| rng.random());

        let mut crop = CropBox::from_bbox(&person.bbox, aspect, BOX_PADDING);
        if person.labelled() > 8
            && u_half < how.half_body
            && let Some(part) = half_body(person, skeleton, z_half, aspect)
        {
            crop = part;
        }
        let factor = (1.0 + how.scale * z_scale).clamp(how.scale_limits[0], how.scale_limits[1]);
        let size = crop.scale[0] * 200.0;
        crop.scale = crop.scale.map(|s| s * factor);
        crop.center[0] += how.shift * z_x * size;
        crop.center[1] += how.shift * z_y * size / aspect;
        let rotation = if u_rotation < how.rotation_probability {
            (how.rotation * z_rotation).clamp(-how.rotation_limit, how.rotation_limit)
        } else {
            0.0
        };
        let mirrored = u_mirror < how.mirror;
        if mirrored {
            crop.center[0] = f64::from(width) - 1.0 - crop.center[0];
        }
        let brightness = (1.0 + how.brightness * (2.0 * u_brightness - 1.0)) as f32;
        AugmentedCrop { crop, rotation, mirrored, brightness }
    }

    /// Map from the pixels of a picture `width` wide to an output of `size` pixels.
    pub fn affine(&self, width: u32, size: Size) -> Affine {
        let crop = Affine::from_crop(&self.crop, self.rotation, size);
        if self.mirrored { crop.compose(&Affine::mirror(width)) } else { crop }
    }

    /// The crop as `size` pixels.
    pub fn render(&self, picture: &RgbImage, size: Size) -> RgbImage {
        let mut crop = vision::warp(picture, &self.affine(picture.width(), size), size);
        if self.brightness != 1.0 {
            for value in crop.iter_mut() {
                // The cast saturates, which is the clipping wanted here.
                *value = (f32::from(*value) * self.brightness).round() as u8;
            }
        }
        crop
    }

    /// Joints `[x, y, weight]` on a heatmap of `size` cells, in cells, in the order that the (mirrored) crop
    /// shows them. `width` is the picture's.
    pub fn joints(
        &self,
        person: &PersonAnnotation,
        width: u32,
        size: Size,
        skeleton: &Skeleton,
    ) -> Vec<[f32; 3]> {
        let map = self.affine(width, size);
        let order: Vec<usize> =
            if self.mirrored { skeleton.mirror() } else { (0..person.keypoints.len()).collect() };
        order
            .into_iter()
            .map(|j| {
                let k = person.keypoints[j];
                let [x, y] = map.apply([f64::from(k.x), f64::from(k.y)]);
                [x as f32, y as f32, person.weights[j]]
            })
            .collect()
    }
}

/// Crop around the labelled joints of one half (half body in docs/METHOD.md, "Augmentation").
fn half_body(person: &PersonAnnotation, skeleton: &Skeleton, normal: f64, aspect: f64) -> Option<CropBox> {
    let joints: Vec<[f32; 3]> = person.keypoints.iter().map(|k| [k.x, k.y, k.score]).collect();
    vision::half_body_crop(&joints, &vision::upper_body(skeleton), aspect, normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Keypoint;
    use crate::vision::BBox;

    fn person() -> PersonAnnotation {
        let keypoints: Vec<Keypoint> = (0..17)
            .map(|j| Keypoint { x: 40.0 + 3.0 * (j % 5) as f32, y: 20.0 + 6.0 * j as f32, score: 2.0 })
            .collect();
        PersonAnnotation::for_test(BBox { x: 30.0, y: 15.0, w: 40.0, h: 110.0 }, keypoints)
    }

    fn draw(how: &Augmentation, index: u64) -> AugmentedCrop {
        let mut rng = generator(3, 0, index, 0);
        AugmentedCrop::draw(&person(), 120, 0.75, Skeleton::coco17(), how, &mut rng)
    }

    #[test]
    fn the_same_seed_draws_the_same_crop() {
        let how = Augmentation::default();
        assert_eq!(draw(&how, 5), draw(&how, 5));
        assert_ne!(draw(&how, 5), draw(&how, 6));
    }

    #[test]
    fn evaluation_shows_the_plain_box() {
        let sample = draw(&Augmentation::none(), 1);
        let plain = CropBox::from_bbox(&person().bbox, 0.75, BOX_PADDING);
        assert_eq!((sample.crop, sample.rotation, sample.mirrored), (plain, 0.0, false));
        assert_eq!(sample.brightness, 1.0);
    }

    #[test]
    fn a_mirrored_crop_swaps_left_and_right_and_mirrors_the_columns() {
        let how = Augmentation { mirror: 1.0, ..Augmentation::none() };
        let (plain, mirrored) = (draw(&Augmentation::none(), 1), draw(&how, 1));
        let skeleton = Skeleton::coco17();
        let a = plain.joints(&person(), 120, Size::new(48, 64), skeleton);
        let b = mirrored.joints(&person(), 120, Size::new(48, 64), skeleton);
        for (j, m) in skeleton.mirror().into_iter().enumerate() {
            assert!((a[m][0] + b[j][0] - 47.0).abs() < 1e-3, "joint {j}: {:?} {:?}", a[m], b[j]);
            assert!((a[m][1] - b[j][1]).abs() < 1e-3);
        }
    }

    #[test]
    fn settings_that_cannot_be_drawn_with_are_named() {
        for fine in [
            Augmentation::default(),
            Augmentation::tmpose(),
            Augmentation::tmpose_mpii(),
            Augmentation::none(),
        ] {
            assert_eq!(fine.check(), Ok(()));
        }
        let name = |a: Augmentation| a.check().unwrap_err().name;
        let plain = Augmentation::none;
        assert_eq!(name(Augmentation { half_body: 1.5, ..plain() }), "augmentation.half_body");
        assert_eq!(name(Augmentation { scale_limits: [1.3, 0.7], ..plain() }), "augmentation.scale_limits");
        assert_eq!(name(Augmentation { rotation_limit: -1.0, ..plain() }), "augmentation.rotation_limit");
        assert_eq!(name(Augmentation { mirror: f64::NAN, ..plain() }), "augmentation.mirror");
    }

    #[test]
    fn whoever_shows_few_joints_stays_whole() {
        let how = Augmentation { half_body: 1.0, ..Augmentation::none() };
        let mut few = person();
        few.keypoints.iter_mut().skip(8).for_each(|k| k.score = 0.0);
        let mut rng = generator(3, 0, 1, 0);
        let drawn = AugmentedCrop::draw(&few, 120, 0.75, Skeleton::coco17(), &how, &mut rng);
        assert_eq!(drawn.crop, draw(&Augmentation::none(), 1).crop);
    }

    #[test]
    fn without_half_bodies_the_other_draws_stay_as_they_were() {
        // Feature caches on disk hold these crops.
        let drawn = draw(&Augmentation::default(), 5);
        let half = draw(&Augmentation { half_body: 1.0, ..Augmentation::default() }, 5);
        assert_eq!(
            (drawn.rotation, drawn.mirrored, drawn.brightness),
            (half.rotation, half.mirrored, half.brightness)
        );
    }

    #[test]
    fn half_bodies_are_smaller_crops() {
        let how = Augmentation { half_body: 1.0, ..Augmentation::none() };
        let whole = draw(&Augmentation::none(), 1).crop.scale[1];
        let halves = (0..20).filter(|&i| draw(&how, i).crop.scale[1] < whole).count();
        assert_eq!(halves, 20);
    }
}
