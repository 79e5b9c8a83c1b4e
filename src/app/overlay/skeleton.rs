//! Joints and bones, in the colours that `tmpose predict` draws with.

use super::PictureTransform;
use crate::app::theme;
use crate::draw::{PoseColors, bone_width};
use crate::pose::{Keypoint, Pose, Skeleton};
use crate::source::TruePerson;
use crate::vision::BBox;
use egui::{Color32, Painter, Stroke};

/// How a skeleton is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkeletonPaint {
    /// As `tmpose predict` draws.
    Colors(PoseColors),
    /// Pale and thin, behind another one.
    Ghost,
}

impl SkeletonPaint {
    fn joint(self, skeleton: &Skeleton, j: usize) -> [u8; 3] {
        match self {
            SkeletonPaint::Colors(colors) => colors.joint(skeleton, j),
            SkeletonPaint::Ghost => [GHOST; 3],
        }
    }

    fn edge(self, skeleton: &Skeleton, edge: [usize; 2]) -> [u8; 3] {
        match self {
            SkeletonPaint::Colors(colors) => colors.edge(skeleton, edge),
            SkeletonPaint::Ghost => [GHOST; 3],
        }
    }
}

/// Grey of a ghost.
const GHOST: u8 = 225;

/// Draws the joints whose score is above `min_score` and the bones between them.
pub fn draw_pose(
    painter: &Painter,
    transform: &PictureTransform,
    pose: &Pose,
    skeleton: &Skeleton,
    min_score: f32,
    paint: SkeletonPaint,
) {
    let shown = |j: usize| pose.keypoints.get(j).filter(|k| k.score > min_score);
    let Some(around) = BBox::around(&pose.keypoints, min_score) else { return };
    let ghost = paint == SkeletonPaint::Ghost;
    let width = (bone_width(around.w.max(around.h)) * transform.scale()).clamp(1.5, 12.0);
    let width = if ghost { (width * 0.4).max(1.0) } else { width };
    let rim = (width * 0.3).max(0.8);
    let at = |k: &Keypoint| transform.at(k.x, k.y);
    let rgb = |[r, g, b]: [u8; 3], score: f32| {
        // Joints of low confidence are paler, as in the pictures that predict writes.
        let strength = if ghost { 0.6 } else { (0.45 + 0.55 * score).clamp(0.45, 1.0) };
        Color32::from_rgb(r, g, b).gamma_multiply(strength)
    };
    let dark = Color32::from_rgba_unmultiplied(12, 14, 20, 130);
    let bones = || skeleton.edges.iter().filter_map(|&edge| Some((edge, shown(edge[0])?, shown(edge[1])?)));
    if !ghost {
        for (_, a, b) in bones() {
            painter.line_segment([at(a), at(b)], Stroke::new(width + 2.0 * rim, dark));
        }
    }
    for (edge, a, b) in bones() {
        let color = rgb(paint.edge(skeleton, edge), a.score.min(b.score));
        painter.line_segment([at(a), at(b)], Stroke::new(width, color));
    }
    for j in 0..skeleton.len() {
        if let Some(k) = shown(j) {
            if !ghost {
                painter.circle_filled(at(k), width * 1.05 + rim, dark);
            }
            painter.circle_filled(at(k), width * 1.05, rgb(paint.joint(skeleton, j), k.score));
        }
    }
}

/// Draws the true joints of the mannequin: rings where they are visible, dots where something hides them.
pub fn draw_truth(painter: &Painter, transform: &PictureTransform, people: &[TruePerson]) {
    for person in people {
        for joint in person.keypoints.iter().filter(|k| k.score > 0.0) {
            let at = transform.at(joint.x, joint.y);
            if joint.score > 1.5 {
                painter.circle_stroke(at, 4.5, Stroke::new(3.0, Color32::from_black_alpha(120)));
                painter.circle_stroke(at, 4.5, Stroke::new(1.5, theme::BRIGHT));
            } else {
                painter.circle_filled(at, 2.5, theme::BRIGHT);
            }
        }
    }
}
