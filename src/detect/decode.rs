//! What the network says to boxes in the picture.

use super::DetectSettings;
use super::letterbox::Letterbox;
use super::net::STRIDES;
use super::nms::suppress;
use crate::pose::Size;
use crate::vision::{BBox, Detection};

/// What the network says on one map of one picture, cell by cell in rows.
#[derive(Clone, Debug)]
pub struct LevelValues {
    /// In cells.
    pub size: Size,
    /// Logits.
    pub scores: Vec<f32>,
    /// Left, top, right, bottom of each cell in pixels of the network's input; may be negative.
    pub distances: Vec<[f32; 4]>,
}

/// The people in one picture, best first. Scores below the threshold are left out before anything is computed of
/// their boxes.
pub fn decode(
    levels: &[LevelValues],
    letterbox: &Letterbox,
    size: Size,
    settings: &DetectSettings,
) -> Vec<Detection> {
    let least = logit(settings.min_score);
    let mut found = Vec::new();
    for (level, stride) in levels.iter().zip(STRIDES) {
        let cells = level.scores.iter().zip(&level.distances).enumerate();
        for (cell, (&score, distances)) in cells.filter(|(_, (score, _))| **score >= least) {
            let width = level.size.width as usize;
            let [row, column] = [cell / width, cell % width];
            let [left, top, right, bottom] = distances.map(|d| d.max(0.0));
            let (x, y) = ((column * stride) as f32, (row * stride) as f32);
            let bbox = BBox { x: x - left, y: y - top, w: left + right, h: top + bottom };
            let inside = letterbox.to_picture(&bbox).intersected(size);
            let bbox = inside.filter(|b| [b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite()));
            found.extend(bbox.map(|bbox| Detection { bbox, score: sigmoid(score) }));
        }
    }
    suppress(found, settings.nms_iou, settings.most)
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The value whose sigmoid is `score`; infinite at and beyond 0 and 1.
fn logit(score: f32) -> f32 {
    let score = score.clamp(0.0, 1.0);
    (score / (1.0 - score)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: Size = Size::new(640, 480);

    /// Three empty maps of a 320-pixel square with one confident cell.
    fn levels(stride: usize, row: usize, column: usize, distances: [f32; 4], score: f32) -> Vec<LevelValues> {
        let level = |s: usize| {
            let side = 320 / s;
            let mut level = LevelValues {
                size: Size::from_hw([side; 2]),
                scores: vec![-20.0; side * side],
                distances: vec![[0.0; 4]; side * side],
            };
            if s == stride {
                level.scores[row * side + column] = score;
                level.distances[row * side + column] = distances;
            }
            level
        };
        STRIDES.map(level).into()
    }

    fn decoded(levels: &[LevelValues], size: Size) -> Vec<Detection> {
        decode(levels, &Letterbox::new(size, 320).unwrap(), size, &DetectSettings::default())
    }

    #[test]
    fn a_cell_reaches_from_its_corner_to_all_sides() {
        let found = decoded(&levels(16, 5, 3, [8.0, 16.0, 24.0, 32.0], 2.0), VGA);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bbox, BBox { x: 80.0, y: 128.0, w: 64.0, h: 96.0 });
        assert!((found[0].score - 0.8808).abs() < 1e-4);
    }

    #[test]
    fn boxes_are_cut_at_the_picture_and_those_outside_are_left_out() {
        let wide = decoded(&levels(32, 1, 1, [500.0; 4], 2.0), VGA);
        assert_eq!(wide[0].bbox, BBox { x: 0.0, y: 0.0, w: 640.0, h: 480.0 });
        // Row 9 lies in the padding below the picture.
        assert!(decoded(&levels(32, 9, 1, [8.0; 4], 2.0), VGA).is_empty());
        assert!(decoded(&levels(32, 1, 1, [-3.0; 4], 2.0), VGA).is_empty());
    }

    #[test]
    fn numbers_that_are_none_find_nobody() {
        assert!(decoded(&levels(8, 1, 1, [8.0; 4], f32::NAN), VGA).is_empty());
        assert!(decoded(&levels(8, 1, 1, [f32::NAN, 8.0, f32::INFINITY, 8.0], 2.0), VGA).len() <= 1);
    }

    #[test]
    fn the_threshold_is_one_of_scores() {
        for (score, settings) in [(0.2, 0.3), (0.3, 0.2), (0.9, 1.0), (0.001, 0.0)] {
            let levels = levels(8, 2, 2, [8.0; 4], logit(score));
            let settings = DetectSettings { min_score: settings, ..DetectSettings::default() };
            let square = Size::square(320);
            let found = decode(&levels, &Letterbox::new(square, 320).unwrap(), square, &settings);
            let kept = found.iter().any(|d| (d.score - score).abs() < 1e-5);
            assert_eq!(kept, score >= settings.min_score, "{score} at {}", settings.min_score);
        }
    }
}
