//! What a detector is shown in training: one picture, or several in one, and the boxes of the people in it.

use super::augment::BoxAugmentation;
use super::set::BoxAnnotation;
use crate::pose::Size;
use image::RgbImage;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Grey around a picture that does not fill the input (RTMDet, YOLOX).
pub const PAD: u8 = 114;
/// The middle of a mosaic lies at least this part of the input from its border.
const MIDDLE: f64 = 0.3;
/// Pictures of a mosaic.
const TILES: usize = 4;

/// Changed colours: factors of brightness, contrast and saturation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorJitter {
    /// Factor on every value.
    pub brightness: f32,
    /// Factor on the distance from the middle of the range, 127.5.
    pub contrast: f32,
    /// Factor on the distance from grey.
    pub saturation: f32,
}

/// Where a picture lies on the input. Places count from the corner of the first pixel, not from its centre:
/// a box of x, y, w, h in the picture begins at `x * scale + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedImage {
    /// The sample whose picture it is.
    pub sample: usize,
    /// Pixels of the input for a pixel of the picture.
    pub scale: f64,
    /// The picture's left top corner on the input.
    pub offset: [f64; 2],
    /// Show the mirror image.
    pub mirrored: bool,
    /// Left, top, right and bottom of the part of the input that it may cover, whole pixels.
    pub window: [f64; 4],
    /// How its colours are changed.
    pub tone: ColorJitter,
}

/// What is drawn for one sample: everything that its pixels and boxes depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Side of the square input in pixels.
    pub side: usize,
    /// Pictures beside each other, and those laid over them with half the weight.
    pub layers: Vec<Vec<PlacedImage>>,
}

/// Boxes on the input: left, top, right and bottom in pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComposedBoxes {
    /// People to be found.
    pub people: Vec<[f32; 4]>,
    /// Regions in which nobody counts: crowds, and people of whom too little is seen.
    pub ignored: Vec<[f32; 4]>,
}

impl Composition {
    /// Draws what `sample` of `samples` is shown as. `size_of` tells a picture's width and height; `mixing` allows
    /// mosaics and overlays.
    pub fn draw(
        sample: usize,
        samples: usize,
        size_of: impl Fn(usize) -> Size,
        side: usize,
        how: &BoxAugmentation,
        mixing: bool,
        rng: &mut ChaCha8Rng,
    ) -> Composition {
        // Everything is drawn whether it is used or not, so that switching one part off leaves the others as
        // they were.
        let [u_mosaic, u_mixup, u_x, u_y]: [f64; 4] = std::array::from_fn(|_| rng.random());
        let others: [usize; TILES] = std::array::from_fn(|_| rng.random_range(0..samples));
        let mut tiles = Vec::with_capacity(TILES + 2);
        for _ in 0..TILES + 2 {
            tiles.push(RandomDraw::new(rng));
        }
        let s = side as f64;
        let whole = [0.0, 0.0, s, s];
        let put = |sample: usize, draw: &RandomDraw, range: [f64; 2], window: [f64; 4]| {
            draw.place(sample, size_of(sample), range, window, s, how)
        };
        let first = if mixing && u_mosaic < how.mosaic {
            let [x, y] = [u_x, u_y].map(|u| (s * (MIDDLE + (1.0 - 2.0 * MIDDLE) * u)).round());
            let windows = [[0.0, 0.0, x, y], [x, 0.0, s, y], [0.0, y, x, s], [x, y, s, s]];
            let tile = |i: usize| {
                let shown = if i == 0 { sample } else { others[i] };
                put(shown, &tiles[i], how.mosaic_scale, windows[i])
            };
            (0..TILES).map(tile).collect()
        } else {
            vec![put(sample, &tiles[TILES], how.scale, whole)]
        };
        let mut layers = vec![first];
        if mixing && u_mixup < how.mixup {
            layers.push(vec![put(others[0], &tiles[TILES + 1], how.scale, whole)]);
        }
        Composition { side, layers }
    }

    /// Every picture that is shown, with its place.
    pub fn placed(&self) -> impl Iterator<Item = &PlacedImage> {
        self.layers.iter().flatten()
    }

    /// The pixels; `picture` tells a sample's, none where it cannot be decoded: grey is shown instead.
    pub fn render<'a>(&self, picture: impl Fn(usize) -> Option<&'a RgbImage>) -> RgbImage {
        let layer = |placed: &[PlacedImage]| {
            let mut canvas = RgbImage::from_pixel(self.side as u32, self.side as u32, image::Rgb([PAD; 3]));
            for placed in placed {
                if let Some(picture) = picture(placed.sample) {
                    placed.paint(picture, &mut canvas);
                }
            }
            canvas
        };
        let mut layers = self.layers.iter().map(|placed| layer(placed));
        let mut canvas = layers.next().unwrap_or_default();
        for over in layers {
            for (value, over) in canvas.iter_mut().zip(over.iter()) {
                *value = value.midpoint(*over);
            }
        }
        canvas
    }

    /// The boxes of the people on the input.
    pub fn boxes<'a>(
        &self,
        labels: impl Fn(usize) -> &'a [BoxAnnotation],
        size_of: impl Fn(usize) -> Size,
        how: &BoxAugmentation,
    ) -> ComposedBoxes {
        let mut boxes = ComposedBoxes::default();
        for placed in self.placed() {
            let size = size_of(placed.sample);
            for label in labels(placed.sample) {
                let Some((seen, share)) = placed.seen(label.bbox, size) else { continue };
                let short = (seen[2] - seen[0]).min(seen[3] - seen[1]) < how.min_side;
                let ignored = label.crowd || short || share < how.min_visible;
                let list = if ignored { &mut boxes.ignored } else { &mut boxes.people };
                list.push(seen.map(|v| v as f32));
            }
        }
        boxes
    }
}

/// The numbers drawn for one picture, from 0 to 1.
struct RandomDraw {
    scale: f64,
    at: [f64; 2],
    mirror: f64,
    tone: [f64; 3],
}

impl RandomDraw {
    fn new(rng: &mut ChaCha8Rng) -> RandomDraw {
        let [scale, x, y, mirror, a, b, c]: [f64; 7] = std::array::from_fn(|_| rng.random());
        RandomDraw { scale, at: [x, y], mirror, tone: [a, b, c] }
    }

    fn place(
        &self,
        sample: usize,
        size: Size,
        [low, high]: [f64; 2],
        window: [f64; 4],
        side: f64,
        how: &BoxAugmentation,
    ) -> PlacedImage {
        let [w, h] = [size.width, size.height].map(f64::from);
        // Evenly in the logarithm: half the size is as likely as twice.
        let scale = side / w.max(h).max(1.0) * low * (high / low).powf(self.scale);
        let [x0, y0, x1, y1] = window;
        // A small picture lies anywhere in its window, a large one covers it with any part.
        let offset = [x0 + self.at[0] * (x1 - x0 - w * scale), y0 + self.at[1] * (y1 - y0 - h * scale)];
        let factor = |u: f64, range: f64| (1.0 + range * (2.0 * u - 1.0)) as f32;
        let tone = ColorJitter {
            brightness: factor(self.tone[0], how.brightness),
            contrast: factor(self.tone[1], how.contrast),
            saturation: factor(self.tone[2], how.saturation),
        };
        PlacedImage { sample, scale, offset, mirrored: self.mirror < how.mirror, window, tone }
    }
}

impl PlacedImage {
    /// What is left of a box (x, y, w, h in the picture of `size`) on the input, and how large a part of the box
    /// inside of its picture that is; none when nothing is left.
    fn seen(&self, [x, y, w, h]: [f64; 4], size: Size) -> Option<([f64; 4], f64)> {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let [mut left, mut right] = [x, x + w].map(|v| v.clamp(0.0, width));
        let [top, bottom] = [y, y + h].map(|v| v.clamp(0.0, height));
        if self.mirrored {
            [left, right] = [width - right, width - left];
        }
        let [ox, oy] = self.offset;
        let full = [
            left * self.scale + ox,
            top * self.scale + oy,
            right * self.scale + ox,
            bottom * self.scale + oy,
        ];
        let [x0, y0, x1, y1] = self.window;
        let seen = [full[0].max(x0), full[1].max(y0), full[2].min(x1), full[3].min(y1)];
        let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
        let some = seen[2] > seen[0] && seen[3] > seen[1] && area(full) > 0.0;
        some.then(|| (seen, area(seen) / area(full)))
    }

    /// Draws the picture bilinearly, as OpenCV's resize samples: pixel centres lie at half numbers.
    fn paint(&self, picture: &RgbImage, canvas: &mut RgbImage) {
        let [w, h] = [picture.width() as usize, picture.height() as usize];
        if w == 0 || h == 0 {
            return;
        }
        let [x0, y0, x1, y1] = self.window;
        let columns = taps(x0, x1, self.offset[0], self.scale, w, self.mirrored);
        let rows = taps(y0, y1, self.offset[1], self.scale, h, false);
        let (pixels, stride) = (picture.as_raw(), canvas.width() as usize * 3);
        let out: &mut [u8] = canvas;
        for row in &rows {
            let [top, bottom] =
                [&pixels[row.first * w * 3..][..w * 3], &pixels[row.second * w * 3..][..w * 3]];
            for column in &columns {
                let rgb: [f32; 3] = std::array::from_fn(|c| {
                    let mix = |line: &[u8]| {
                        let [a, b] = [line[column.first * 3 + c], line[column.second * 3 + c]].map(f32::from);
                        a + (b - a) * column.part
                    };
                    let [a, b] = [mix(top), mix(bottom)];
                    a + (b - a) * row.part
                });
                let at = row.to * stride + column.to * 3;
                out[at..at + 3].copy_from_slice(&self.tone.apply(rgb));
            }
        }
    }
}

impl ColorJitter {
    fn apply(&self, rgb: [f32; 3]) -> [u8; 3] {
        let rgb = rgb.map(|v| ((v - 127.5) * self.contrast + 127.5) * self.brightness);
        let grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        // The cast saturates, which is the clipping wanted here.
        rgb.map(|v| (grey + (v - grey) * self.saturation).round() as u8)
    }
}

/// A row or column of the input and the two of the picture that it is made of.
struct Tap {
    to: usize,
    first: usize,
    second: usize,
    /// Weight of the second.
    part: f32,
}

/// The taps of the part of `from .. to` on the input that `size` pixels of a picture cover.
fn taps(from: f64, to: f64, offset: f64, scale: f64, size: usize, mirrored: bool) -> Vec<Tap> {
    let last = size as f64 - 1.0;
    let mut taps = Vec::new();
    // Windows are whole pixels inside of the input.
    for to in from as usize..to as usize {
        let place = (to as f64 + 0.5 - offset) / scale;
        if place < 0.0 || place > size as f64 {
            continue;
        }
        let place = if mirrored { size as f64 - place } else { place };
        let centre = (place - 0.5).clamp(0.0, last);
        let first = centre.floor();
        let second = (first + 1.0).min(last) as usize;
        taps.push(Tap { to, first: first as usize, second, part: (centre - first) as f32 });
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::super::augment::tests::none;
    use super::*;
    use crate::data::generator;
    use proptest::prelude::*;

    const SIDE: usize = 64;
    const IMAGE: Size = Size::new(40, 30);

    fn draw(how: &BoxAugmentation, index: u64) -> Composition {
        let mut rng = generator(3, 4, index, 0);
        Composition::draw(index as usize % 5, 5, |_| IMAGE, SIDE, how, true, &mut rng)
    }

    fn label(bbox: [f64; 4], crowd: bool) -> BoxAnnotation {
        BoxAnnotation { id: 1, bbox, area: 1.0, crowd }
    }

    #[test]
    fn the_same_sample_is_drawn_the_same_and_switches_leave_the_rest_alone() {
        let how = BoxAugmentation { mosaic: 0.5, mixup: 0.5, ..BoxAugmentation::default() };
        assert_eq!(draw(&how, 5), draw(&how, 5));
        assert_ne!(draw(&how, 5), draw(&how, 10));
        let without = BoxAugmentation { mixup: 0.0, ..how.clone() };
        for index in 0..20 {
            assert_eq!(draw(&how, index).layers[0], draw(&without, index).layers[0]);
        }
        let mut rng = generator(3, 4, 5, 0);
        let late = Composition::draw(0, 5, |_| IMAGE, SIDE, &how, false, &mut rng);
        assert_eq!(late.placed().count(), 1, "neither mosaic nor overlay at the end");
    }

    #[test]
    fn a_mosaic_shows_four_pictures_that_do_not_overlap() {
        let how = BoxAugmentation { mosaic: 1.0, ..BoxAugmentation::default() };
        let mosaic = draw(&how, 7);
        assert_eq!(mosaic.layers[0].len(), 4);
        let area: f64 =
            mosaic.placed().map(|p| (p.window[2] - p.window[0]) * (p.window[3] - p.window[1])).sum();
        assert_eq!(area, (SIDE * SIDE) as f64);
    }

    #[test]
    fn a_painted_rectangle_lies_where_its_box_says() {
        // Red on blue, in the middle of nowhere.
        let picture = RgbImage::from_fn(40, 30, |x, y| {
            let inside = (10..24).contains(&x) && (6..20).contains(&y);
            if inside { image::Rgb([255, 0, 0]) } else { image::Rgb([0, 0, 255]) }
        });
        let bbox = label([10.0, 6.0, 14.0, 14.0], false);
        let how = BoxAugmentation { scale: [0.6, 2.5], mirror: 0.5, ..none() };
        for index in 0..40 {
            let drawn = draw(&how, index);
            let labels = std::slice::from_ref(&bbox);
            let ComposedBoxes { people, ignored } = drawn.boxes(|_| labels, |_| IMAGE, &how);
            assert!(ignored.is_empty());
            let canvas = drawn.render(|_| Some(&picture));
            let mut found = [f32::MAX, f32::MAX, 0.0, 0.0];
            for (x, y, pixel) in canvas.enumerate_pixels().filter(|(.., p)| p[0] > p[2] && p[1] < 60) {
                assert!(pixel[0] > 100);
                let [x, y] = [x as f32, y as f32];
                found = [found[0].min(x), found[1].min(y), found[2].max(x + 1.0), found[3].max(y + 1.0)];
            }
            match people.first() {
                Some(expected) => {
                    for (a, b) in found.iter().zip(expected) {
                        assert!((a - b).abs() <= 1.01, "{index}: {found:?} {expected:?}");
                    }
                }
                None => assert_eq!(found[2], 0.0),
            }
        }
    }

    #[test]
    fn crowds_scraps_and_specks_are_ignored() {
        let how = BoxAugmentation { min_visible: 0.3, min_side: 4.0, ..none() };
        let placed = PlacedImage {
            sample: 0,
            scale: 1.0,
            offset: [-20.0, 0.0],
            mirrored: false,
            window: [0.0, 0.0, 64.0, 64.0],
            tone: ColorJitter { brightness: 1.0, contrast: 1.0, saturation: 1.0 },
        };
        let composition = Composition { side: SIDE, layers: vec![vec![placed]] };
        let labels = [
            label([22.0, 0.0, 10.0, 20.0], false), // whole
            label([12.0, 0.0, 10.0, 20.0], false), // a fifth of it
            label([30.0, 5.0, 3.0, 9.0], false),   // narrow
            label([25.0, 5.0, 12.0, 20.0], true),  // a crowd
            label([2.0, 0.0, 10.0, 20.0], false),  // gone
        ];
        let ComposedBoxes { people, ignored } = composition.boxes(|_| &labels, |_| IMAGE, &how);
        assert_eq!(people, [[2.0, 0.0, 12.0, 20.0]]);
        assert_eq!(ignored, [[0.0, 0.0, 2.0, 20.0], [10.0, 5.0, 13.0, 14.0], [5.0, 5.0, 17.0, 25.0]]);
    }

    #[test]
    fn a_picture_that_cannot_be_decoded_is_grey() {
        let canvas = draw(&none(), 1).render(|_| None);
        assert!(canvas.iter().all(|v| *v == PAD));
    }

    proptest! {
        #[test]
        fn boxes_stay_inside_of_the_input(
            x in -20f64..50.0, y in -20f64..40.0, w in 1f64..60.0, h in 1f64..60.0, index in 0u64..1000,
        ) {
            let how = BoxAugmentation { mixup: 0.3, ..BoxAugmentation::default() };
            let labels = [label([x, y, w, h], false)];
            let ComposedBoxes { people, ignored } = draw(&how, index).boxes(|_| &labels, |_| IMAGE, &how);
            for b in people.iter().chain(&ignored) {
                prop_assert!(b[0] >= 0.0 && b[1] >= 0.0 && b[2] <= 64.0 && b[3] <= 64.0, "{b:?}");
                prop_assert!(b[2] > b[0] && b[3] > b[1], "{b:?}");
            }
            for b in &people {
                prop_assert!((b[2] - b[0]).min(b[3] - b[1]) >= 3.0);
            }
        }
    }
}
